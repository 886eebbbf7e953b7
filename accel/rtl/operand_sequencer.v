// Decides when a fold's load and stream are on the ports of an operand_array.
//
// A fold is accepted in a cycle with fold_valid and fold_ready, and its load's first beat is on the
// port in that very cycle; ROWS beats later its inputs follow, without a gap.
module operand_sequencer #(
    parameter ROWS      = 4,
    parameter REGISTERS = 2,
    parameter BITS      = 16
) (
    input  wire                    clock,
    input  wire                    reset,
    input  wire                    fold_valid,          // a fold is offered
    input  wire [BITS-1:0]         fold_length,         // its inputs, at least 1
    input  wire [BITS-1:0]         fold_address,        // accumulator word of its first output
    input  wire                    fold_overwrite,      // its outputs overwrite the words
    output wire                    fold_ready,          // it would be accepted
    output wire                    load,                // a load's beat is on the port
    output wire [BITS-1:0]         load_beat,
    output wire                    stream,              // an input is on the port
    output wire                    stream_first,
    output reg  [BITS-1:0]         stream_beat,
    output wire [BITS-1:0]         stream_address,      // accumulator word of its output
    output reg                     stream_overwrite
);
    // A load may start when it won't end before the last input of the fold before has entered.
    // One register: when only that last input still needs what the load overwrites behind it.
    localparam [BITS-1:0] AHEAD = REGISTERS == 2 ? ROWS[BITS-1:0] : 1;
    localparam [BITS-1:0] LAST  = ROWS[BITS-1:0] - 1;

    reg             loading;
    reg  [BITS-1:0] beat;
    reg  [BITS-1:0] next_length;
    reg  [BITS-1:0] next_address, address;
    reg             next_overwrite;
    reg  [BITS-1:0] inputs_left;     // the one on the port included

    wire accepted = fold_valid && fold_ready;
    wire load_ends = load && load_beat == LAST;

    assign fold_ready     = !loading && inputs_left <= AHEAD;
    assign load           = loading || accepted;
    assign load_beat      = loading ? beat : {BITS{1'b0}};
    assign stream         = inputs_left != 0;
    assign stream_first   = stream && stream_beat == 0;
    assign stream_address = address + stream_beat;

    always @(posedge clock) begin
        if (accepted) begin
            next_length    <= fold_length;
            next_address   <= fold_address;
            next_overwrite <= fold_overwrite;
        end
        loading <= load && !load_ends;
        beat    <= load_beat + 1;
        if (load_ends) begin
            inputs_left      <= accepted ? fold_length : next_length;
            address          <= accepted ? fold_address : next_address;
            stream_overwrite <= accepted ? fold_overwrite : next_overwrite;
            stream_beat      <= 0;
        end else if (stream) begin
            inputs_left <= inputs_left - 1;
            stream_beat <= stream_beat + 1;
        end
        if (reset) begin
            loading     <= 0;
            inputs_left <= 0;
        end
    end
endmodule
