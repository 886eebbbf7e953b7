// Feeds a matrix_unit with cases from files and writes down what its ports do.
//
// Files in the current folder: cases.hex (a line a case: folds, accumulator words), folds.hex (a
// line a fold: length, address, overwrite), rows.hex and columns.hex (a line an operand vector, in
// the order in which they are asked for). Every fold of a case is offered as soon as the one before
// is accepted; when all results are out, the accumulators are read and the next case starts.
// ports.txt: a line a cycle, from a case's first on: fold_ready, fold accepted, load, stream, then
// result_valid of the last to the first column; "end" behind each case.
// words.txt: a line an accumulator word, the last column first.
module bench;
    parameter ROWS              = 4;
    parameter COLUMNS           = 4;
    parameter OUTPUT_STATIONARY = 0;
    parameter REGISTERS         = 2;
    parameter BITS              = 16;
    parameter CASES             = 1;
    parameter FOLDS             = 1;
    parameter ROW_VECTORS       = 1;
    parameter COLUMN_VECTORS    = 1;
    parameter CYCLE_LIMIT       = 1000000;  // of all cases together: for a design that hangs
    parameter LOG_RESULTS       = 0;        // 1: the results' values in ports.txt as well

    reg [63:0]          cases [0:CASES-1];
    reg [2*BITS:0]      folds [0:FOLDS-1];
    reg [8*ROWS-1:0]    rows [0:ROW_VECTORS-1];
    reg [8*COLUMNS-1:0] columns [0:COLUMN_VECTORS-1];

    reg     clock = 0;
    integer number = 0;                     // of the case
    integer fold = 0, folds_end = 0;        // the fold that is offered, and the end of the case's
    integer row = 0, column = 0;            // the vectors that are asked for next
    integer word = 0;                       // the accumulators' word that is read
    integer flush = 0;                      // cycles that the case before has had to leave
    integer missing = 0;                    // results to come
    integer cycle = 0;
    integer port_file, word_file, lane;
    reg     running = 0, reading = 0;

    localparam FLUSH = ROWS + COLUMNS + 2;

    wire                  offers = running && fold < folds_end;
    // Behind the last fold its like is looked at, but not offered.
    wire [2*BITS:0]       offered = folds[offers || fold == 0 ? fold : fold - 1];
    wire                  fold_ready, load, stream;
    wire [BITS-1:0]       load_beat, stream_beat;
    wire [COLUMNS-1:0]    result_valid;
    wire [32*COLUMNS-1:0] results, read_words;
    wire                  takes_column = OUTPUT_STATIONARY != 0 ? stream : load;

    matrix_unit #(
        .ROWS(ROWS), .COLUMNS(COLUMNS), .OUTPUT_STATIONARY(OUTPUT_STATIONARY),
        .REGISTERS(REGISTERS), .BITS(BITS)
    ) unit (
        .clock(clock), .reset(!running && !reading), .fold_valid(offers),
        .fold_length(offered[2*BITS:BITS+1]), .fold_address(offered[BITS:1]),
        .fold_overwrite(offered[0]), .fold_ready(fold_ready),
        .load(load), .load_beat(load_beat), .stream(stream), .stream_beat(stream_beat),
        .rows_in(stream ? rows[row] : {8*ROWS{1'b0}}),
        .columns_in(takes_column ? columns[column] : {8*COLUMNS{1'b0}}),
        .result_valid(result_valid), .results(results),
        .read_address(word[BITS-1:0]), .read_words(read_words)
    );

    initial begin
        $readmemh("cases.hex", cases);
        $readmemh("folds.hex", folds);
        $readmemh("rows.hex", rows);
        $readmemh("columns.hex", columns);
        port_file = $fopen("ports.txt");
        word_file = $fopen("words.txt");
    end

    always #1 clock = !clock;

    task run_case;
        begin
            $fwrite(port_file, "%b%b%b%b%b", fold_ready, offers && fold_ready, load, stream,
                    result_valid);
            if (LOG_RESULTS != 0) $fwrite(port_file, " %h", results);
            $fwrite(port_file, "\n");
            if (offers && fold_ready) begin
                fold <= fold + 1;
                missing = missing
                          + COLUMNS * (OUTPUT_STATIONARY != 0 ? ROWS : offered[2*BITS:BITS+1]);
            end
            if (stream) row <= row + 1;
            if (takes_column) column <= column + 1;
            for (lane = 0; lane < COLUMNS; lane = lane + 1)
                missing = missing - (result_valid[lane] === 1'b1);
            if (!offers && fold_ready && missing == 0) begin
                $fdisplay(port_file, "end");
                running <= 0;
                reading <= 1;
                word    <= 0;
            end
            cycle = cycle + 1;
            if (cycle == CYCLE_LIMIT) $finish;
        end
    endtask

    always @(posedge clock)
        if (running) run_case;
        else if (reading) begin
            if (word < cases[number][31:0]) begin
                $fdisplay(word_file, "%h", read_words);
                word <= word + 1;
            end else begin
                number  <= number + 1;
                reading <= 0;
                flush   <= 0;
            end
        end else if (number == CASES) $finish;
        else if (flush < FLUSH) flush <= flush + 1;
        else begin
            folds_end <= fold + cases[number][63:32];
            running   <= 1;
        end
endmodule
