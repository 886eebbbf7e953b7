// ROWS x COLUMNS PEs that hold an operand (WS, IS), with the skew of their inputs.
//
// Row r sees an input r cycles after the port, column c another c cycles later. A load's beat b
// moves the rows from b on, so that the first operand on the port ends in the bottom row.
module operand_array #(
    parameter ROWS      = 4,
    parameter COLUMNS   = 4,
    parameter REGISTERS = 2,
    parameter BITS      = 16
) (
    input  wire                    clock,
    input  wire                    stream_first,        // rows_in is a fold's first input
    input  wire                    load,                // columns_in is a beat of a load
    input  wire [BITS-1:0]         load_beat,           // which one
    input  wire [8*ROWS-1:0]       rows_in,             // an input: row r's operand in byte r
    input  wire [8*COLUMNS-1:0]    columns_in,          // an array row to load: column c's in byte c
    output wire [32*COLUMNS-1:0]   results              // column c's psum, c cycles behind column 0's
);
    // Rows 0 to load_beat.
    wire [ROWS-1:0] loads = load ? ~({ROWS{1'b1}} << 1 << load_beat) : {ROWS{1'b0}};

    genvar r, c;
    generate
        for (c = 0; c < COLUMNS; c = c + 1) begin : column
            wire [7:0] loaded_in;
            delay #(.WIDTH(8), .CYCLES(c)) skew (
                .clock(clock), .in(columns_in[8*c +: 8]), .out(loaded_in)
            );
        end
        for (r = 0; r < ROWS; r = r + 1) begin : row
            wire [7:0] moving_in;
            wire       first_in;
            delay #(.WIDTH(9), .CYCLES(r)) skew (
                .clock(clock), .in({stream_first, rows_in[8*r +: 8]}), .out({first_in, moving_in})
            );
            for (c = 0; c < COLUMNS; c = c + 1) begin : pe
                wire signed [7:0]  moving, loaded;
                wire               first, load_through;
                wire signed [31:0] psum;
                pe_operand #(.REGISTERS(REGISTERS)) unit (
                    .clock(clock),
                    .moving_in(c == 0 ? moving_in : row[r].pe[c == 0 ? 0 : c-1].moving),
                    .first_in(c == 0 ? first_in : row[r].pe[c == 0 ? 0 : c-1].first),
                    .load_in(c == 0 ? loads[r] : row[r].pe[c == 0 ? 0 : c-1].load_through),
                    .loaded_in(r == 0 ? column[c].loaded_in : row[r == 0 ? 0 : r-1].pe[c].loaded),
                    .psum_in(r == 0 ? 32'sd0 : row[r == 0 ? 0 : r-1].pe[c].psum),
                    .moving_out(moving), .first_out(first), .load_out(load_through),
                    .loaded_out(loaded), .psum_out(psum)
                );
            end
        end
        for (r = 0; r < ROWS; r = r + 1) begin : right_edge
            wire unused = ^{row[r].pe[COLUMNS-1].moving, row[r].pe[COLUMNS-1].first,
                            row[r].pe[COLUMNS-1].load_through};
        end
        for (c = 0; c < COLUMNS; c = c + 1) begin : bottom_edge
            wire unused = ^row[ROWS-1].pe[c].loaded;
            assign results[32*c +: 32] = row[ROWS-1].pe[c].psum;
        end
    endgenerate
endmodule
