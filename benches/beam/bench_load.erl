%% A VM that works and counts its work, for benches that ask what a look from outside costs.
%%   PARKED=N     processes that rest, each with a small state and a message
%%   WORKERS=N    processes that work without end; a unit builds, sorts and sums a list and a map
%%   PAIRS=N      pairs of processes that do nothing but send one message to and fro, each a unit
%%   MODULES=N    further modules with 40 functions each
%% It says `ready pid=OSPID` and answers each line `units` with `units N`. `trace` traces all that the pairs send and
%% receive to a process that counts it, `untrace` ends that. Closed stdin ends it.
-module(bench_load).
-export([main/0, worker/2, park/1, side/1, tracer/1]).

main() -> spawn(fun run/0), ok.

run() ->
    process_flag(priority, high),
    Stdin = open_port({fd, 0, 0}, [in, eof, binary, {line, 256}]),
    load_modules(env("MODULES")),
    Parked = [spawn(?MODULE, park, [N]) || N <- lists:seq(1, env("PARKED"))],
    _ = [Pid ! {note, 1} || Pid <- Parked],
    Units = counters:new(1, [write_concurrency]),
    _ = [spawn(?MODULE, worker, [Units, N]) || N <- lists:seq(1, env("WORKERS"))],
    Sides = lists:append([pair(Units) || _ <- lists:seq(1, env("PAIRS"))]),
    say(["ready pid=", os:getpid()]),
    answer(Stdin, Units, Sides).

answer(Stdin, Units, Sides) ->
    receive
        {Stdin, {data, {eol, <<"trace">>}}} ->
            Tracer = spawn_opt(?MODULE, tracer, [0], [{priority, high}, {message_queue_data, off_heap}]),
            _ = [erlang:trace(Side, true, [send, 'receive', timestamp, {tracer, Tracer}]) || Side <- Sides],
            say("traced"),
            answer(Stdin, Units, Sides);
        {Stdin, {data, {eol, <<"untrace">>}}} ->
            _ = [erlang:trace(Side, false, [all]) || Side <- Sides],
            say("untraced"),
            answer(Stdin, Units, Sides);
        {Stdin, {data, {eol, <<"units">>}}} ->
            say(["units ", integer_to_list(counters:get(Units, 1))]),
            answer(Stdin, Units, Sides);
        {Stdin, eof} -> erlang:halt(0)
    end.

worker(Units, Seed) ->
    List = [N * Seed band 1023 || N <- lists:seq(1, 500)],
    Map = maps:from_list([{N, N} || N <- List]),
    _ = lists:sum(lists:sort(List)) + map_size(Map),
    counters:add(Units, 1, 1),
    worker(Units, Seed + 2).

pair(Units) ->
    {A, B} = {spawn(?MODULE, side, [Units]), spawn(?MODULE, side, [Units])},
    A ! {partner, B},
    B ! {partner, A},
    A ! ball,
    [A, B].

side(Units) -> receive {partner, Partner} -> play(Partner, Units) end.

play(Partner, Units) ->
    receive ball -> Partner ! ball end,
    counters:add(Units, 1, 1),
    play(Partner, Units).

tracer(Count) ->
    receive _ -> tracer(Count + 1) end.

park(State) -> receive stop -> State end.

%% One module is compiled, the others are it under other names of the same length.
load_modules(0) -> ok;
load_modules(Count) ->
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

env(Name) -> list_to_integer(os:getenv(Name, "0")).

say(Text) -> ok = io:put_chars(user, [Text, $\n]).
