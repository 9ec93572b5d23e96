%% Many modules with 40 functions each. One is compiled, the others are it under other names of the same length.
-module(bench_modules).
-export([load/1]).

load(0) -> ok;
load(Count) ->
    Forms = [{attribute, 1, module, name(0)}, {attribute, 2, compile, export_all} |
             [function(N) || N <- lists:seq(1, 40)]],
    {ok, _, Code} = compile:forms(Forms, [nowarn_export_all]),
    lists:foreach(
        fun(N) ->
            Name = name(N),
            Renamed = binary:replace(Code, atom_to_binary(name(0)), atom_to_binary(Name), [global]),
            {module, Name} = code:load_binary(Name, "", Renamed)
        end,
        lists:seq(1, Count)).

name(N) -> list_to_atom(lists:flatten(io_lib:format("bench_module_~5..0b", [N]))).

%% f_N(X) -> {X + N, f_M(X)}.
function(N) ->
    Name = fun(K) -> list_to_atom("f_" ++ integer_to_list(K)) end,
    Line = 10 * N,
    {function, Line, Name(N), 1,
     [{clause, Line, [{var, Line, 'X'}], [],
       [{tuple, Line + 1, [{op, Line + 1, '+', {var, Line + 1, 'X'}, {integer, Line + 1, N}},
                           {call, Line + 2, {atom, Line + 2, Name(N rem 40 + 1)}, [{var, Line + 2, 'X'}]}]}]}]}.
