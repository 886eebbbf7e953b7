// Decides when a fold's stream is on the ports of an output_array, and when its sums drain.
//
// A fold is accepted in a cycle with fold_valid and fold_ready, and its first inputs are on the
// ports in that very cycle.
module output_sequencer #(
    parameter ROWS      = 4,
    parameter REGISTERS = 2,
    parameter BITS      = 16
) (
    input  wire                    clock,
    input  wire                    reset,
    input  wire                    fold_valid,          // a fold is offered
    input  wire [BITS-1:0]         fold_length,         // its inputs, at least 1
    input  wire [BITS-1:0]         fold_address,        // accumulator word of row 0's output
    input  wire                    fold_overwrite,      // its outputs overwrite the words
    output wire                    fold_ready,          // it would be accepted
    output wire                    stream,              // inputs are on the ports
    output wire                    stream_first,
    output wire                    stream_last,
    output wire [BITS-1:0]         stream_beat,
    output wire                    drain,               // column 0 has a finished sum on its port
    output wire [BITS-1:0]         drain_beat,
    output wire [BITS-1:0]         drain_address,       // accumulator word of the sum
    output wire                    drain_overwrite
);
    // A fold may start if the sums before it have left when its own finish.
    // One register: when they have left as its own start to grow.
    localparam [BITS-1:0] LAST = ROWS[BITS-1:0] - 1;
    wire [BITS-1:0] ahead = REGISTERS == 2 ? fold_length : 1;

    reg             streaming;
    reg  [BITS-1:0] beat, length;
    reg  [BITS-1:0] address;
    reg             overwrite;
    reg  [BITS-1:0] drain_left;      // cycles until the PEs' registers are empty again

    wire accepted = fold_valid && fold_ready;

    assign fold_ready   = !streaming && drain_left <= ahead;
    assign stream       = streaming || accepted;
    assign stream_beat  = streaming ? beat : {BITS{1'b0}};
    assign stream_first = stream && stream_beat == 0;
    assign stream_last  = stream && stream_beat == (streaming ? length : fold_length) - 1;

    // The bottom row's sum in column 0 is finished ROWS cycles after the last input.
    wire            drain_starts;
    wire [BITS-1:0] starting_address;
    wire            starting_overwrite;
    delay #(.WIDTH(BITS + 2), .CYCLES(ROWS)) finish (
        .clock(clock),
        .in({stream_last && !reset,
             streaming ? address : fold_address, streaming ? overwrite : fold_overwrite}),
        .out({drain_starts, starting_address, starting_overwrite})
    );

    reg             draining;
    reg  [BITS-1:0] next_drain_beat;
    reg  [BITS-1:0] draining_address;
    reg             draining_overwrite;

    assign drain           = drain_starts || draining;
    assign drain_beat      = drain_starts ? {BITS{1'b0}} : next_drain_beat;
    assign drain_overwrite = drain_starts ? starting_overwrite : draining_overwrite;
    assign drain_address   = (drain_starts ? starting_address : draining_address)
                             + LAST - drain_beat;

    always @(posedge clock) begin
        streaming <= stream && !stream_last;
        beat      <= stream_beat + 1;
        if (accepted) begin
            length    <= fold_length;
            address   <= fold_address;
            overwrite <= fold_overwrite;
        end
        if (stream_last) drain_left <= ROWS[BITS-1:0];
        else if (drain_left != 0) drain_left <= drain_left - 1;

        draining        <= drain && drain_beat != LAST;
        next_drain_beat <= drain_beat + 1;
        if (drain_starts) begin
            draining_address   <= starting_address;
            draining_overwrite <= starting_overwrite;
        end
        if (reset) begin
            streaming  <= 0;
            draining   <= 0;
            drain_left <= 0;
        end
    end
endmodule
