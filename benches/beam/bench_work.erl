%% What the processes of bench_load do, each kind without end, counting units of work:
%%   fib      fib(20), 21,891 calls of small integers: nothing but JIT code
%%   sort     builds, sorts and sums a list and a map
%%   gc       replaces a hundredth of some 300 KB that live, and leaves garbage ten times as large
%%   ets      ten inserts, ten look-ups and ten counters in a table that all share
%%   spawn    a process that was spawned and monitored, and has ended
%%   deep     a thousand rounds of arithmetic below the frames of a recursion
%%   pairs    a message that was received and sent back
%%   ring     a message that was received and sent on
%%   elixir   a request to a server that was answered
%% With -DINSTRUMENTED each call and return of fib/1, and each message that pairs send and receive, is written to
%% bench_ring. Loops call themselves by module, so that a version of this module that was loaded goes on with the work.
-module(bench_work).
-export([start/3, fib_loop/1, sort_loop/2, gc_loop/3, ets_loop/3, spawn_loop/1, deep/2, deep_loop/1, side/1, play/2,
         ring_side/1, pass/2]).

-ifdef(INSTRUMENTED).
-define(EVENT(Kind, What), bench_ring:write(Kind, What)).
-else.
-define(EVENT(Kind, What), _ = ok).
-endif.

%% The processes that were started.
start(fib, Number, Units) -> [spawn(?MODULE, fib_loop, [Units]) || _ <- lists:seq(1, Number)];
start(sort, Number, Units) -> [spawn(?MODULE, sort_loop, [Units, N]) || N <- lists:seq(1, Number)];
start(gc, Number, Units) -> [spawn(?MODULE, gc_loop, [Units, #{}, N]) || N <- lists:seq(1, Number)];
start(ets, Number, Units) ->
    Table = ets:new(bench_table, [public, {write_concurrency, true}, {read_concurrency, true}]),
    true = ets:insert(Table, [{N, 0, <<"payload">>} || N <- lists:seq(0, 9999)]),
    [spawn(?MODULE, ets_loop, [Units, Table, N * 1009]) || N <- lists:seq(1, Number)];
start(spawn, Number, Units) -> [spawn(?MODULE, spawn_loop, [Units]) || _ <- lists:seq(1, Number)];
start(deep, Depth, Units) ->
    [spawn(?MODULE, deep, [Units, Depth]) || _ <- lists:seq(1, erlang:system_info(schedulers_online))];
start(pairs, Number, Units) -> lists:append([pair(Units) || _ <- lists:seq(1, Number)]);
start(ring, Number, Units) ->
    Sides = [First | _] = [spawn(?MODULE, ring_side, [Units]) || _ <- lists:seq(1, Number)],
    _ = [Side ! {next, Next} || {Side, Next} <- lists:zip(Sides, tl(Sides) ++ [First])],
    Tokens = min(Number, 2 * erlang:system_info(schedulers_online)),
    _ = [lists:nth(N * Number div Tokens, Sides) ! token || N <- lists:seq(1, Tokens)],
    Sides;
start(elixir, Number, Units) -> 'Elixir.BenchElixir':start(Number, Units).

fib_loop(Units) ->
    6765 = fib(20),
    counters:add(Units, 1, 1),
    ?MODULE:fib_loop(Units).

-ifdef(INSTRUMENTED).
%% As a tool would write it that wraps a function: its result has a name before it is returned.
fib(N) ->
    ?EVENT(call, N),
    Result = case N < 2 of true -> N; false -> fib(N - 1) + fib(N - 2) end,
    ?EVENT(return, Result),
    Result.
-else.
fib(N) when N < 2 -> N;
fib(N) -> fib(N - 1) + fib(N - 2).
-endif.

sort_loop(Units, Seed) ->
    List = [N * Seed band 1023 || N <- lists:seq(1, 500)],
    Map = maps:from_list([{N, N} || N <- List]),
    _ = lists:sum(lists:sort(List)) + map_size(Map),
    counters:add(Units, 1, 1),
    ?MODULE:sort_loop(Units, Seed + 2).

gc_loop(Units, Live, N) ->
    Garbage = [{N, K} || K <- lists:seq(1, 500)],
    Kept = Live#{N rem 100 => [K || {_, K} <- Garbage, K rem 5 < 2]},
    counters:add(Units, 1, 1),
    ?MODULE:gc_loop(Units, Kept, N + 1).

ets_loop(Units, Table, Seed) ->
    _ = [ets:insert(Table, {(Seed + K * 37) rem 10000, Seed, <<"changed">>}) || K <- lists:seq(1, 10)],
    _ = [ets:lookup(Table, (Seed + K * 41) rem 10000) || K <- lists:seq(1, 10)],
    _ = [ets:update_counter(Table, (Seed + K * 43) rem 10000, {2, 1}) || K <- lists:seq(1, 10)],
    counters:add(Units, 1, 1),
    ?MODULE:ets_loop(Units, Table, (Seed * 31 + 7) rem 1000003).

spawn_loop(Units) ->
    {Pid, Monitor} = spawn_monitor(fun() -> ok end),
    receive {'DOWN', Monitor, process, Pid, normal} -> ok end,
    counters:add(Units, 1, 1),
    ?MODULE:spawn_loop(Units).

%% Not a tail call: each level is a frame.
deep(Units, 0) -> deep_loop(Units);
deep(Units, Depth) -> 1 + deep(Units, Depth - 1).

deep_loop(Units) ->
    _ = rounds(1000, 1),
    counters:add(Units, 1, 1),
    ?MODULE:deep_loop(Units).

rounds(0, X) -> X;
rounds(N, X) -> rounds(N - 1, (X * 7 + N) rem 65521).

pair(Units) ->
    {A, B} = {spawn(?MODULE, side, [Units]), spawn(?MODULE, side, [Units])},
    A ! {partner, B},
    B ! {partner, A},
    A ! ball,
    [A, B].

side(Units) -> receive {partner, Partner} -> play(Partner, Units) end.

play(Partner, Units) ->
    receive ball -> ?EVENT('receive', ball) end,
    ?EVENT(send, Partner),
    Partner ! ball,
    counters:add(Units, 1, 1),
    ?MODULE:play(Partner, Units).

ring_side(Units) -> receive {next, Next} -> pass(Next, Units) end.

pass(Next, Units) ->
    receive token -> Next ! token end,
    counters:add(Units, 1, 1),
    ?MODULE:pass(Next, Units).
