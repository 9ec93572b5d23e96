%% Processes that end, each for one of these reasons, as often as `stop` says; the program sees by DOWN that it was that one.
-module(reasons).
-behaviour(workload).
-export([main/0, prepare/0, start/1, stop/1, ends/1, match/2, clause/2, guarded/1, sum/2]).

main() -> workload:run(?MODULE).

%% What the VM reports of processes that crash would be among the lines of stdout.
prepare() ->
    ok = logger:set_primary_config(level, none),
    {[], []}.

%% The n-th ends 2 * n + 1 times.
start(_) ->
    Kinds = [word, number, pair, status, data, inner, only, three, text, map, call, badarg, badmatch, clause, undef,
             far, nocatch, guarded, arith, rows, pairs],
    Counts = [{Kind, count(Kind, 2 * N + 1)} || {N, Kind} <- lists:zip(lists:seq(1, length(Kinds)), Kinds)],
    {[], Counts}.

stop(Counts) -> {[], Counts}.

count(Kind, Times) ->
    _ = [begin
             {Pid, Monitor} = spawn_monitor(?MODULE, ends, [Kind]),
             receive {'DOWN', Monitor, process, Pid, Reason} -> true = is_it(Kind, Reason) end
         end || _ <- lists:seq(1, Times)],
    Times.

ends(word) -> exit(boom);
ends(number) -> exit(7);
ends(pair) -> exit({shutdown, later});
ends(status) -> exit({exit_status, 137});
ends(data) -> exit({order, 123456});
ends(inner) -> exit({{no, "reason"}, 'call me'});
ends(only) -> exit({only});
ends(three) -> exit({a, b, c});
ends(text) -> exit("text");
ends(map) -> exit(#{a => 1});
%% Lists that begin like a stack trace and are none.
ends(rows) -> exit({shutdown, [{a, b, c, d}]});
ends(pairs) -> exit({shutdown, [{a, b, <<"c">>, []}]});
ends(call) -> gen_server:call(nobody_has_this_name, question);
ends(badarg) -> erlang:error(badarg);
ends(badmatch) -> match(workload:env_int("NOTHING", 1), [two]);
ends(clause) -> clause(workload:env_int("NOTHING", 1), 3);
ends(undef) -> no_such_module:'no such function'(1, 2, 3);
ends(far) -> apply(no_such_module, f, lists:seq(1, 30));
ends(nocatch) -> throw({ball, 1});
ends(guarded) -> guarded(workload:env_int("NOTHING", 1));
ends(arith) -> sum(1, one).

sum(One, Other) -> One + Other.

match(One, Other) ->
    One = Other,
    ok.

clause(a, _) -> a;
clause(b, _) -> b.

guarded(N) ->
    case N of
        M when M > 100 -> M
    end.

is_it(word, R) -> R =:= boom;
is_it(number, R) -> R =:= 7;
is_it(pair, R) -> R =:= {shutdown, later};
is_it(status, R) -> R =:= {exit_status, 137};
is_it(data, R) -> R =:= {order, 123456};
is_it(inner, R) -> R =:= {{no, "reason"}, 'call me'};
is_it(only, R) -> R =:= {only};
is_it(three, R) -> R =:= {a, b, c};
is_it(text, R) -> R =:= "text";
is_it(map, R) -> R =:= #{a => 1};
is_it(rows, R) -> R =:= {shutdown, [{a, b, c, d}]};
is_it(pairs, R) -> R =:= {shutdown, [{a, b, <<"c">>, []}]};
is_it(call, {noproc, {gen_server, call, [_, _]}}) -> true;
is_it(badarg, {badarg, [{?MODULE, ends, 1, _} | _]}) -> true;
is_it(badmatch, {{badmatch, [two]}, [{?MODULE, match, 2, _} | _]}) -> true;
is_it(clause, {function_clause, [{?MODULE, clause, [1, 3], _} | _]}) -> true;
is_it(undef, {undef, [{no_such_module, 'no such function', [1, 2, 3], _} | _]}) -> true;
is_it(far, {undef, [{no_such_module, f, Arguments, _} | _]}) -> length(Arguments) =:= 30;
is_it(nocatch, {{nocatch, {ball, 1}}, [{?MODULE, ends, 1, _} | _]}) -> true;
is_it(guarded, {{case_clause, 1}, [{?MODULE, guarded, 1, _} | _]}) -> true;
is_it(arith, {badarith, [{erlang, '+', [1, one], _} | _]}) -> true;
is_it(_, _) -> false.
