// ROWS x COLUMNS PEs that hold sums (OS), with the skew of their inputs.
//
// Row r sees its input r cycles after the port, column c another c cycles later; the second
// operand comes down the columns likewise. A drain's beat b moves the rows behind b, so that the
// bottom row's sum leaves first.
module output_array #(
    parameter ROWS      = 4,
    parameter COLUMNS   = 4,
    parameter REGISTERS = 2,
    parameter BITS      = 16
) (
    input  wire                    clock,
    input  wire                    stream,              // rows_in and columns_in are inputs
    input  wire                    stream_first,        // a fold's first ones
    input  wire                    stream_last,         // a fold's last ones
    input  wire                    drain,               // column 0 has a finished sum on its port
    input  wire [BITS-1:0]         drain_beat,          // of row ROWS - 1 - drain_beat
    input  wire [8*ROWS-1:0]       rows_in,             // row r's operand in byte r
    input  wire [8*COLUMNS-1:0]    columns_in,          // column c's operand in byte c
    output wire [32*COLUMNS-1:0]   results              // column c's sum, c cycles behind column 0's
);
    // Rows behind drain_beat.
    wire [ROWS-1:0] drains = drain ? {ROWS{1'b1}} << 1 << drain_beat : {ROWS{1'b0}};

    genvar r, c;
    generate
        for (c = 0; c < COLUMNS; c = c + 1) begin : column
            wire [7:0] crossing_in;
            delay #(.WIDTH(8), .CYCLES(c)) skew (
                .clock(clock), .in(columns_in[8*c +: 8]), .out(crossing_in)
            );
        end
        for (r = 0; r < ROWS; r = r + 1) begin : row
            wire [7:0] moving_in;
            wire       valid_in, first_in, last_in;
            delay #(.WIDTH(11), .CYCLES(r)) skew (
                .clock(clock),
                .in({stream, stream_first, stream_last, rows_in[8*r +: 8]}),
                .out({valid_in, first_in, last_in, moving_in})
            );
            for (c = 0; c < COLUMNS; c = c + 1) begin : pe
                wire signed [7:0]  moving, crossing;
                wire               valid, first, last, drain_through;
                wire signed [31:0] finished;
                pe_output #(.REGISTERS(REGISTERS)) unit (
                    .clock(clock),
                    .moving_in(c == 0 ? moving_in : row[r].pe[c == 0 ? 0 : c-1].moving),
                    .valid_in(c == 0 ? valid_in : row[r].pe[c == 0 ? 0 : c-1].valid),
                    .first_in(c == 0 ? first_in : row[r].pe[c == 0 ? 0 : c-1].first),
                    .last_in(c == 0 ? last_in : row[r].pe[c == 0 ? 0 : c-1].last),
                    .drain_in(c == 0 ? drains[r] : row[r].pe[c == 0 ? 0 : c-1].drain_through),
                    .crossing_in(r == 0 ? column[c].crossing_in
                                        : row[r == 0 ? 0 : r-1].pe[c].crossing),
                    .finished_in(r == 0 ? 32'sd0 : row[r == 0 ? 0 : r-1].pe[c].finished),
                    .moving_out(moving), .valid_out(valid), .first_out(first), .last_out(last),
                    .drain_out(drain_through), .crossing_out(crossing), .finished_out(finished)
                );
            end
        end
        for (r = 0; r < ROWS; r = r + 1) begin : right_edge
            wire unused = ^{row[r].pe[COLUMNS-1].moving, row[r].pe[COLUMNS-1].valid,
                            row[r].pe[COLUMNS-1].first, row[r].pe[COLUMNS-1].last,
                            row[r].pe[COLUMNS-1].drain_through};
        end
        for (c = 0; c < COLUMNS; c = c + 1) begin : bottom_edge
            wire unused = ^row[ROWS-1].pe[c].crossing;
            assign results[32*c +: 32] = row[ROWS-1].pe[c].finished;
        end
    endgenerate
endmodule
