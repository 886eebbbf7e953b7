// A PE that holds a sum: output-stationary.
//
// The sum grows by moving_in * crossing_in in every cycle of a fold. A finished sum moves
// down the column: with two registers out of its own, so that the next sum can grow behind it.
module pe_output #(
    parameter REGISTERS = 2                 // of the sum: 1 or 2
) (
    input  wire               clock,
    input  wire signed [7:0]  moving_in,    // streamed operand, from the left
    input  wire               valid_in,     // it is one
    input  wire               first_in,     // it is its fold's first
    input  wire               last_in,      // it is its fold's last
    input  wire               drain_in,     // take the finished sum from above at this cycle's end
    input  wire signed [7:0]  crossing_in,  // streamed operand, from above
    input  wire signed [31:0] finished_in,  // finished sum, from above
    output reg  signed [7:0]  moving_out,   // to the right
    output reg                valid_out,
    output reg                first_out,
    output reg                last_out,
    output reg                drain_out,
    output reg  signed [7:0]  crossing_out, // to the PE below
    output wire signed [31:0] finished_out  // to the PE below
);
    reg  signed [31:0] held;
    wire signed [31:0] sum = (first_in ? 32'sd0 : held) + moving_in * crossing_in;

    generate
        if (REGISTERS == 2) begin : double
            reg signed [31:0] finished;
            assign finished_out = finished;
            wire unused = valid_in;     // behind a fold's last input nobody asks for `held`
            always @(posedge clock) begin
                held <= sum;
                if (last_in) finished <= sum;
                else if (drain_in) finished <= finished_in;
            end
        end else begin : single
            assign finished_out = held;
            wire unused = last_in;
            always @(posedge clock) begin
                if (valid_in) held <= sum;
                else if (drain_in) held <= finished_in;
            end
        end
    endgenerate

    always @(posedge clock) begin
        moving_out   <= moving_in;
        valid_out    <= valid_in;
        first_out    <= first_in;
        last_out     <= last_in;
        drain_out    <= drain_in;
        crossing_out <= crossing_in;
    end
endmodule
