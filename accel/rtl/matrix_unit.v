// The matrix unit: a sequencer, the array and its accumulators.
//
// It is offered folds and asks for their operands: load_beat and stream_beat say in each cycle what
// must be on columns_in and rows_in in that cycle.
module matrix_unit #(
    parameter ROWS              = 4,
    parameter COLUMNS           = 4,
    parameter OUTPUT_STATIONARY = 0,                // 1: OS; 0: WS, IS
    parameter REGISTERS         = 2,                // of the stationary operand in a PE: 1 or 2
    parameter BITS              = 16                // of lengths, beats and accumulator addresses
) (
    input  wire                    clock,
    input  wire                    reset,               // forgets folds under way
    input  wire                    fold_valid,          // a fold is offered
    input  wire [BITS-1:0]         fold_length,         // its inputs, at least 1
    input  wire [BITS-1:0]         fold_address,        // accumulator word of its first output
    input  wire                    fold_overwrite,      // its outputs overwrite the words
    output wire                    fold_ready,          // it would be accepted
    output wire                    load,                // columns_in is a load's beat (WS, IS)
    output wire [BITS-1:0]         load_beat,           // of array row ROWS - 1 - load_beat
    output wire                    stream,              // rows_in is an input (OS: columns_in too)
    output wire [BITS-1:0]         stream_beat,
    input  wire [8*ROWS-1:0]       rows_in,             // row r's operand in byte r
    input  wire [8*COLUMNS-1:0]    columns_in,          // column c's operand in byte c
    output wire [COLUMNS-1:0]      result_valid,        // column c has a result
    output wire [32*COLUMNS-1:0]   results,             // column c's in word c
    input  wire [BITS-1:0]         read_address,        // accumulators' word to read
    output wire [32*COLUMNS-1:0]   read_words
);
    wire            result_starts;          // column 0 has a result
    wire [BITS-1:0] result_address;
    wire            result_overwrite;

    generate
        if (OUTPUT_STATIONARY != 0) begin : output_stationary
            wire            stream_first, stream_last;
            wire [BITS-1:0] drain_beat;
            assign load = 1'b0;
            assign load_beat = {BITS{1'b0}};
            output_sequencer #(
                .ROWS(ROWS), .REGISTERS(REGISTERS), .BITS(BITS)
            ) sequencer (
                .clock(clock), .reset(reset),
                .fold_valid(fold_valid), .fold_length(fold_length), .fold_address(fold_address),
                .fold_overwrite(fold_overwrite), .fold_ready(fold_ready),
                .stream(stream), .stream_first(stream_first), .stream_last(stream_last),
                .stream_beat(stream_beat), .drain(result_starts), .drain_beat(drain_beat),
                .drain_address(result_address), .drain_overwrite(result_overwrite)
            );
            output_array #(.ROWS(ROWS), .COLUMNS(COLUMNS), .REGISTERS(REGISTERS), .BITS(BITS)) array (
                .clock(clock), .stream(stream), .stream_first(stream_first),
                .stream_last(stream_last), .drain(result_starts), .drain_beat(drain_beat),
                .rows_in(rows_in), .columns_in(columns_in), .results(results)
            );
        end else begin : operand_stationary
            wire            stream_first;
            wire [BITS-1:0] stream_address;
            wire            stream_overwrite;
            operand_sequencer #(
                .ROWS(ROWS), .REGISTERS(REGISTERS), .BITS(BITS)
            ) sequencer (
                .clock(clock), .reset(reset),
                .fold_valid(fold_valid), .fold_length(fold_length), .fold_address(fold_address),
                .fold_overwrite(fold_overwrite), .fold_ready(fold_ready),
                .load(load), .load_beat(load_beat), .stream(stream),
                .stream_first(stream_first), .stream_beat(stream_beat),
                .stream_address(stream_address), .stream_overwrite(stream_overwrite)
            );
            operand_array #(.ROWS(ROWS), .COLUMNS(COLUMNS), .REGISTERS(REGISTERS), .BITS(BITS)) array (
                .clock(clock), .stream_first(stream_first), .load(load), .load_beat(load_beat),
                .rows_in(rows_in), .columns_in(columns_in), .results(results)
            );
            // A psum passes ROWS registers on its way down.
            delay #(.WIDTH(BITS + 2), .CYCLES(ROWS)) way_down (
                .clock(clock),
                .in({stream && !reset, stream_address, stream_overwrite}),
                .out({result_starts, result_address, result_overwrite})
            );
        end
    endgenerate

    genvar c;
    generate
        for (c = 0; c < COLUMNS; c = c + 1) begin : column
            wire            overwrite;
            wire [BITS-1:0] address;
            delay #(.WIDTH(BITS + 2), .CYCLES(c)) skew (
                .clock(clock),
                .in({result_starts, result_address, result_overwrite}),
                .out({result_valid[c], address, overwrite})
            );
            accumulator #(.BITS(BITS)) psums (
                .clock(clock), .valid(result_valid[c]), .overwrite(overwrite), .address(address),
                .result(results[32*c +: 32]), .read_address(read_address),
                .read_word(read_words[32*c +: 32])
            );
        end
    endgenerate
endmodule
