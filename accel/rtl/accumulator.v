// One column's psums: a result overwrites a word, or is added to it, at the end of its cycle.
module accumulator #(
    parameter BITS = 16                 // of the address
) (
    input  wire                    clock,
    input  wire                    valid,               // there is a result
    input  wire                    overwrite,           // it overwrites the word
    input  wire [BITS-1:0]         address,             // of the word
    input  wire signed [31:0]      result,
    input  wire [BITS-1:0]         read_address,
    output wire signed [31:0]      read_word            // in the same cycle
);
    reg signed [31:0] words [0:(1 << BITS)-1];

    assign read_word = words[read_address];

    always @(posedge clock)
        if (valid) words[address] <= overwrite ? result : words[address] + result;
endmodule
