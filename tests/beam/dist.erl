%% Two nodes on the loopback interface, without epmd: one is told of, the other one, its peer, is started with PEER=NODE,
%% the name of the first. What the first one's processes do, with ROUNDS=20:
%%   dist_sender_N, of three, sends the peer's dist_sink N * ROUNDS messages to its pid and as many to its name, and
%%   dist_sender_1 one of LARGE (300000) bytes; all then ask it for an answer by their pids;
%%   dist_ops, ROUNDS times: a monitor and its end, a link and its end, a process that is spawned on the peer and killed by
%%   exit/2, a message that is answered to an alias, and a local process that is linked to dist_sink and ends;
%%   dist_receiver gets ROUNDS messages from the peer by its pid, as many by its name, and one of LARGE bytes.
%% BUSY=1: all that is sent is LARGE, and the system monitor says how often who was suspended for it.
%% done: rounds, large, pids of sender_N, ops, receiver; received by dist_sink (sink), by dist_receiver (got); packets and bytes
%% that came over the connection as the VM counts them (packets_in, bytes_in) and that went (packets_out, bytes_out), with 4
%% bytes before each packet; busy_N.
-module(dist).
-behaviour(workload).
-export([main/0, prepare/0, start/1, stop/1, victim/0]).

-define(SENDERS, [1, 2, 3]).
-define(LARGE, 300000).

main() -> workload:run(?MODULE).

prepare() ->
    case os:getenv("PEER") of
        false -> {[{node, node()}], prepare_main()};
        Name ->
            Node = list_to_atom(Name),
            true = net_kernel:connect_node(Node),
            Sink = spawn_link(fun() -> register(dist_sink, self()), process_flag(trap_exit, true), sink(0) end),
            {workload, Node} ! {peer, Sink},
            {[{node, node()}], peer}
    end.

prepare_main() ->
    Self = self(),
    Receiver = spawn_link(fun() -> register(dist_receiver, self()), Self ! registered, receiver(0) end),
    receive registered -> ok end,
    {workload:env_int("ROUNDS", 20), os:getenv("BUSY") =/= false, Receiver}.

start(peer) -> {[], peer};
start({Rounds, Busy, Receiver}) ->
    Sink = receive {peer, Pid} -> Pid after 10000 -> error(no_peer) end,
    Before = stat(node(Sink)),
    Watch = spawn_link(fun() -> watch(Busy, #{}) end),
    Self = self(),
    Senders = [spawn_link(fun() -> sender(N, Rounds, Busy, Sink, Self) end) || N <- ?SENDERS],
    Ops = spawn_link(fun() -> ops(Rounds, Sink, Self) end),
    Sink ! {flood, Receiver, Rounds},
    {[], {Rounds, Sink, Receiver, Before, Watch, Senders, Ops}}.

stop(peer) -> {[], []};
stop({Rounds, Sink, Receiver, Before, Watch, Senders, Ops}) ->
    _ = [receive {finished, Pid} -> ok end || Pid <- [Ops | Senders]],
    Got = ask(Receiver, {counts, 2 * Rounds + 1}),
    Sunk = ask(Sink, counts),
    Busy = ask(Watch, counts),
    After = stat(node(Sink)),
    Stat = [{Key, maps:get(Key, After) - maps:get(Key, Before)} || Key <- maps:keys(Before)],
    Pids = lists:zip([sender_1, sender_2, sender_3], Senders),
    Suspended = [{list_to_atom("busy_" ++ integer_to_list(N)), maps:get(Pid, Busy, 0)}
                 || {N, Pid} <- lists:zip(?SENDERS, Senders)],
    {[], [{rounds, Rounds}, {large, ?LARGE}, {ops, Ops}, {receiver, Receiver}, {sink, Sunk}, {got, Got}]
         ++ Pids ++ Stat ++ Suspended}.

ask(Pid, What) ->
    Pid ! {What, self()},
    receive {answer, Pid, Answer} -> Answer end.

stat(Node) ->
    {Node, Port} = lists:keyfind(Node, 1, erlang:system_info(dist_ctrl)),
    {ok, Stat} = inet:getstat(Port, [recv_cnt, recv_oct, send_cnt, send_oct]),
    Names = #{recv_cnt => packets_in, recv_oct => bytes_in, send_cnt => packets_out, send_oct => bytes_out},
    maps:from_list([{maps:get(Key, Names), Value} || {Key, Value} <- Stat]).

sender(N, Rounds, Busy, Sink, Main) ->
    register(list_to_atom("dist_sender_" ++ integer_to_list(N)), self()),
    Large = binary:copy(<<"x">>, ?LARGE),
    Word = case Busy of true -> Large; false -> word end,
    repeat(N * Rounds, fun() -> Sink ! {data, Word}, {dist_sink, node(Sink)} ! {data, Word} end),
    _ = [Sink ! {data, Large} || N =:= 1],
    _ = ask(Sink, sync),
    Main ! {finished, self()},
    receive never -> ok end.

ops(Rounds, Sink, Main) ->
    register(dist_ops, self()),
    repeat(Rounds, fun() ->
        true = demonitor(monitor(process, Sink), [flush]),
        true = link(Sink),
        true = unlink(Sink),
        true = exit(spawn(node(Sink), ?MODULE, victim, []), kill),
        {_, Ended} = spawn_monitor(fun() -> link(Sink) end),
        receive {'DOWN', Ended, process, _, normal} -> ok end,
        Alias = alias(),
        Sink ! {alias, Alias},
        receive {Alias, answer} -> true = unalias(Alias) end
    end),
    Main ! {finished, self()},
    receive never -> ok end.

victim() -> receive never -> ok end.

repeat(0, _) -> ok;
repeat(N, Do) -> Do(), repeat(N - 1, Do).

%% On the peer.
sink(Count) ->
    receive
        {data, _} -> sink(Count + 1);
        {sync, From} -> From ! {answer, self(), synced}, sink(Count);
        {counts, From} -> From ! {answer, self(), Count}, sink(Count);
        {alias, Alias} -> Alias ! {Alias, answer}, sink(Count);
        {'EXIT', _, _} -> sink(Count);
        {flood, Receiver, Rounds} ->
            repeat(Rounds, fun() -> Receiver ! data, {dist_receiver, node(Receiver)} ! data end),
            Receiver ! {data, binary:copy(<<"y">>, ?LARGE)},
            sink(Count)
    end.

receiver(Count) ->
    receive
        data -> receiver(Count + 1);
        {data, _} -> receiver(Count + 1);
        {{counts, Count}, From} -> From ! {answer, self(), Count}, receiver(Count)
    end.

%% Who was suspended how often, as the VM says it.
watch(Busy, Counts) ->
    _ = [erlang:system_monitor(self(), [busy_dist_port]) || Busy, Counts =:= #{}],
    watched(Counts).

watched(Counts) ->
    receive
        {monitor, Pid, busy_dist_port, _} -> watched(maps:update_with(Pid, fun(N) -> N + 1 end, 1, Counts));
        {counts, From} -> From ! {answer, self(), Counts}, watched(Counts)
    end.
