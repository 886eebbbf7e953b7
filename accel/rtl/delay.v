// A value, CYCLES clock cycles later.
module delay #(
    parameter WIDTH  = 1,
    parameter CYCLES = 1
) (
    input  wire             clock,
    input  wire [WIDTH-1:0] in,
    output wire [WIDTH-1:0] out     // in of CYCLES cycles ago
);
    generate
        if (CYCLES == 0) begin : none
            assign out = in;
            wire unused = clock;
        end else begin : some
            reg [WIDTH*CYCLES-1:0] line;
            if (CYCLES == 1) begin : one
                always @(posedge clock) line <= in;
            end else begin : several
                always @(posedge clock) line <= {line[WIDTH*(CYCLES-1)-1:0], in};
            end
            assign out = line[WIDTH*CYCLES-1 -: WIDTH];
        end
    endgenerate
endmodule
