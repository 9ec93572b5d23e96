%% A VM that works and counts its work, for benches that ask what a look at it costs. What it does is in its environment,
%% each a number of processes unless said otherwise; see bench_work.erl for what they do.
%%   FIB, SORT, GC, ETS   workers that share nothing (ETS: but a table)
%%   SPAWN                workers that spawn a process and wait for its end
%%   DEEP=D               a worker for each scheduler below D frames of a recursion
%%   PAIRS                pairs of processes that send one message to and fro
%%   RING                 processes in a ring, in which two messages for each scheduler go round
%%   ELIXIR               clients of a server in Elixir: bench_elixir.ex
%%   PARKED               processes that rest, each with a small state and a message
%%   MODULES=N            further modules with 40 functions each
%%   CLOCK=1              nobody works: a unit is a millisecond
%% It says `ready pid=OSPID otp=N` once all is built, and answers lines:
%%   units          `units N`: units of work done until now
%%   watch WHAT     `watching`, once somebody in this VM watches; see bench_watch.erl for who there is
%%   unwatch        `unwatched KEY=N ...`: what that one has counted
%% Closed stdin ends it.
-module(bench_load).
-export([main/0, park/1]).

main() -> spawn(fun run/0), ok.

run() ->
    %% With busy schedulers a normal process would wait for its turn.
    process_flag(priority, high),
    Stdin = open_port({fd, 0, 0}, [in, eof, binary, {line, 256}]),
    bench_modules:load(env("MODULES")),
    Parked = [spawn(?MODULE, park, [N]) || N <- lists:seq(1, env("PARKED"))],
    _ = [Pid ! {note, 1} || Pid <- Parked],
    Counter = counters:new(1, [write_concurrency]),
    Workers = lists:append([bench_work:start(Kind, Number, Counter) || {Kind, Number} <- wanted()]),
    Units = units(env("CLOCK"), Counter),
    say(["ready pid=", os:getpid(), " otp=", erlang:system_info(otp_release)]),
    answer(Stdin, Units, Workers, none).

wanted() ->
    Kinds = [{fib, "FIB"}, {sort, "SORT"}, {gc, "GC"}, {ets, "ETS"}, {spawn, "SPAWN"}, {deep, "DEEP"}, {pairs, "PAIRS"},
             {ring, "RING"}, {elixir, "ELIXIR"}],
    [{Kind, Number} || {Kind, Name} <- Kinds, Number <- [env(Name)], Number > 0].

units(0, Counter) -> fun() -> counters:get(Counter, 1) end;
units(1, _) ->
    Start = erlang:monotonic_time(millisecond),
    fun() -> erlang:monotonic_time(millisecond) - Start end.

answer(Stdin, Units, Workers, Watcher) ->
    receive
        {Stdin, {data, {eol, <<"units">>}}} ->
            say(["units ", integer_to_list(Units())]),
            answer(Stdin, Units, Workers, Watcher);
        {Stdin, {data, {eol, <<"watch ", What/binary>>}}} when Watcher =:= none ->
            Watching = bench_watch:start(string:lexemes(binary_to_list(What), " "), Workers),
            say("watching"),
            answer(Stdin, Units, Workers, Watching);
        {Stdin, {data, {eol, <<"unwatch">>}}} when Watcher =/= none ->
            Counts = bench_watch:stop(Watcher),
            say(["unwatched", [io_lib:format(" ~s=~b", [Key, Count]) || {Key, Count} <- Counts]]),
            answer(Stdin, Units, Workers, none);
        {Stdin, {data, {eol, Line}}} ->
            say(["what is ", Line]),
            erlang:halt(1);
        {Stdin, eof} -> erlang:halt(0)
    end.

park(State) -> receive stop -> State end.

env(Name) -> list_to_integer(os:getenv(Name, "0")).

say(Text) -> ok = io:put_chars(user, [Text, $\n]).
