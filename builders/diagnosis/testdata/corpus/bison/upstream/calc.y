%token NUMBER
%%
line: expression ';' ;
expression: NUMBER | expression '+' term ;
%%
