%% Proof that a sample is put on the right process.
%% Process K is registered as id_K and runs id_code:run_K/1 and nothing else: every stack of id_K holds exactly
%% one frame of that function and none of any other run_*. The module is made here, so its code lies in
%% memory the VM allocated at run time. PROCESSES=200 says how many.
-module(identity).
-behaviour(workload).
-export([main/0, prepare/0, start/1, stop/1]).

main() -> workload:run(?MODULE).

prepare() ->
    N = workload:env_int("PROCESSES", 200),
    {ok, id_code, Code} = workload:compile_text(source(N)),
    {module, id_code} = code:load_binary(id_code, "id_code.erl", Code),
    {[{processes, N}], N}.

start(N) ->
    Table = ets:new(id_code, [public, {write_concurrency, true}]),
    Pids = [start_one(K, Table) || K <- lists:seq(0, N - 1)],
    %% Spawned suspended by the missing `go`, so that every name exists before the first work.
    _ = [Pid ! go || Pid <- Pids],
    {[{pids, lists:join($,, [pid_to_list(Pid) || Pid <- Pids])}], Pids}.

start_one(K, Table) ->
    true = ets:insert(Table, {K, 0}),
    Pid = spawn_link(id_code, function(K), [Table]),
    register(list_to_atom("id_" ++ integer_to_list(K)), Pid),
    Pid.

stop(Pids) ->
    Counts = workload:stop_repeating(Pids),
    {[], [{rounds, lists:sum(Counts)}, {least, lists:min(Counts)}, {most, lists:max(Counts)},
          {counts, lists:join($,, [integer_to_list(Count) || Count <- Counts])}]}.

function(K) -> list_to_atom("run_" ++ integer_to_list(K)).

%% run_K first waits, then repeats: arithmetic in its own code, arithmetic in a function that it calls,
%% a BIF that takes a lock, and a message to itself. Only the call of itself is a tail call.
source(N) ->
    Exports = lists:join(", ", [["run_", integer_to_list(K), "/1"] || K <- lists:seq(0, N - 1)]),
    [
        "-module(id_code).\n-export([", Exports, "]).\n",
        [run(integer_to_list(K)) || K <- lists:seq(0, N - 1)],
        "mix(0, X) -> X; mix(N, X) -> mix(N - 1, (X * 29 + N) rem 524287).\n"
    ].

%% The first clause waits; the second one works and has its state in a tuple, which keeps the arity at 1.
run(K) ->
    ["run_", K, "({Table, Count, X}) ->"
     "  Y = (X * 31 + Count) rem 65521, Z = (Y * 17 + X) rem 32749, V = mix(300, Y + Z),"
     "  ets:update_counter(Table, ", K, ", 1),"
     "  self() ! {note, V},"
     "  receive"
     "    {stop, From} -> From ! {count, self(), Count};"
     "    {note, W} -> run_", K, "({Table, Count + 1, W})"
     "  end;"
     "run_", K, "(Table) -> receive go -> run_", K, "({Table, 0, 1}) end.\n"].
