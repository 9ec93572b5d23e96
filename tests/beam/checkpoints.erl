%% Many processes to which nothing happens, told by the VM itself. Before `ready`: RESTING of them (10000) wait, each for
%% a message that never comes; every hundredth is registered as checkpoints_N; checkpoints_box has BOX messages that it
%% does not take; checkpoints_server is a gen_server with the state #{kept => 4711, password => <<"sekrit">>}. At `go` checkpoints_late is spawned, and one of those that rested is told to end. At each `count`
%% checkpoints_woken runs, checkpoints_server has one more in `kept`, and then, for some 30 ms, nothing happens:
%%   counted from_ns=N to_ns=N kept=N processes=N
%% has what that is and how many processes there are between these times.
-module(checkpoints).
-behaviour(workload).
-behaviour(gen_server).
-export([main/0, prepare/0, start/1, stop/1, count/1]).
-export([init/1, handle_call/3, handle_cast/2]).

-define(BOX, 7).

main() -> workload:run(?MODULE).

prepare() ->
    Resting = workload:env_int("RESTING", 10000),
    Pids = [spawn(fun rest/0) || _ <- lists:seq(1, Resting)],
    Named = [register(name(N), Pid) || {N, Pid} <- lists:zip(lists:seq(1, Resting), Pids), N rem 100 =:= 0],
    Box = spawn(fun rest/0),
    register(checkpoints_box, Box),
    _ = [Box ! {note, N} || N <- lists:seq(1, ?BOX)],
    {ok, _} = gen_server:start({local, checkpoints_server}, ?MODULE, #{kept => 4711, password => <<"sekrit">>}, []),
    Woken = spawn(fun rest/0),
    register(checkpoints_woken, Woken),
    Gone = spawn(fun rest/0),
    _ = [call(Pid) || Pid <- [Box, Woken, Gone | Pids]],
    {[{resting, Resting}, {named, length(Named)}, {box, ?BOX}, {first, hd(Pids)}, {last, lists:last(Pids)}, {gone, Gone}],
     {Woken, Gone}}.

init(State) -> {ok, State}.

handle_call(more, _, State = #{kept := Kept}) -> {reply, Kept + 1, State#{kept := Kept + 1}}.

handle_cast(_, State) -> {noreply, State}.

name(N) -> list_to_atom("checkpoints_" ++ integer_to_list(N)).

rest() ->
    receive
        {call, From} -> From ! {called, self()}, rest();
        stop -> ok
    end.

call(Pid) ->
    Pid ! {call, self()},
    receive {called, Pid} -> ok end.

start({Woken, Gone}) ->
    Late = spawn(fun rest/0),
    register(checkpoints_late, Late),
    Monitor = monitor(process, Gone),
    Gone ! stop,
    receive {'DOWN', Monitor, process, Gone, _} -> ok end,
    ok = call(Late),
    {[{late, Late}], Woken}.

count(Woken) ->
    ok = call(Woken),
    Kept = gen_server:call(checkpoints_server, more),
    From = workload:clock_ns(),
    receive after 30 -> ok end,
    To = workload:clock_ns(),
    [{from_ns, From}, {to_ns, To}, {kept, Kept}, {processes, erlang:system_info(process_count)}].

stop(_) -> {[], []}.
