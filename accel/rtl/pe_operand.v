// A PE that holds an operand: weight- and input-stationary.
//
// psum_out = psum_in + moving_in * held operand, one cycle later.
// With two registers the next operand waits in `loaded` until a fold's first input takes it over.
module pe_operand #(
    parameter REGISTERS = 2                 // of the held operand: 1 or 2
) (
    input  wire               clock,
    input  wire signed [7:0]  moving_in,    // streamed operand, from the left
    input  wire               first_in,     // it is its fold's first
    input  wire               load_in,      // load the operand from above at this cycle's end
    input  wire signed [7:0]  loaded_in,    // operand to load, from above
    input  wire signed [31:0] psum_in,      // from above
    output reg  signed [7:0]  moving_out,   // to the right
    output reg                first_out,
    output reg                load_out,
    output wire signed [7:0]  loaded_out,   // to the PE below
    output reg  signed [31:0] psum_out      // to the PE below
);
    reg  signed [7:0] loaded;
    wire signed [7:0] operand;

    generate
        if (REGISTERS == 2) begin : double
            reg signed [7:0] held;
            assign operand = first_in ? loaded : held;
            always @(posedge clock) held <= operand;
        end else begin : single
            assign operand = loaded;
        end
    endgenerate

    assign loaded_out = loaded;

    always @(posedge clock) begin
        moving_out <= moving_in;
        first_out  <= first_in;
        load_out   <= load_in;
        if (load_in) loaded <= loaded_in;
        psum_out   <= psum_in + moving_in * operand;
    end
endmodule
