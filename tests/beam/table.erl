%% The process table, told by the VM itself. PROCESSES=1000 processes of many kinds rest, one of them with LONG=150000
%% messages; after `stop` one line for each process of the VM that rests, as process_info/2 has it:
%%   pid=<0.N.S> registered=HEX spawned_as=HEX initial_call=HEX current=HEX status=S reductions=N mailbox=N heap=N
%%   total=N stack=N
%%   leader=<0.N.S> parent=PID|undefined trace=HEX memory=BYTES data=on_heap|off_heap trap=BOOL
%%   min_heap=WORDS fullsweep=N label=HEX links=HEX monitors=HEX monitored_by=HEX keys=HEX
%% Names are hexadecimal UTF-8; trace is one function a line, the first eight of the stack; links and what
%% follows are sorted, one a line, as ~0tp prints them.
-module(table).
-behaviour(workload).
-behaviour(gen_server).
-export([main/0, prepare/0, start/1, stop/1, init/1, handle_call/3, handle_cast/2, deep/1, resumed/0]).

main() -> workload:run(?MODULE).

prepare() ->
    N = workload:env_int("PROCESSES", 1000),
    {[{processes, N}], N}.

start(N) ->
    Pids = [one(K rem 9, K) || K <- lists:seq(1, N)],
    ok = tie(Pids),
    %% Each has come to rest: it answers nothing, so ask the VM.
    _ = [workload:rest(Pid) || Pid <- Pids],
    %% A process answers by itself, and may collect garbage for that: once it did, asking changes nothing.
    _ = [facts(Pid) || _ <- [1, 2], Pid <- Pids],
    _ = [workload:rest(Pid) || Pid <- Pids],
    {[{spawned, length(Pids)}], Pids}.

%% Who is tied to whom is told by the order: some are linked to and monitored by their neighbours, some to
%% ports, some by name, here and on another node.
tie(Pids) ->
    Numbered = lists:zip3(lists:seq(1, length(Pids)), Pids, tl(Pids) ++ [hd(Pids)]),
    _ = [Pid ! {tie, Other} || {K, Pid, Other} <- Numbered, K rem 9 =:= 0 orelse K rem 9 =:= 6],
    ok.

tied(Pid) ->
    link(Pid),
    _ = [monitor(process, P) || P <- [Pid, Pid, self()]],
    _ = monitor(process, {table_nowhere, node()}),
    _ = monitor(process, code_server),
    _ = monitor(time_offset, clock_service),
    [Port | _] = erlang:ports(),
    _ = monitor(port, Port),
    _ = [open_port({spawn, "cat"}, []) || erlang:phash2(self(), 50) =:= 0],
    _ = alias(),
    _ = spawn_monitor(fun() -> receive stop -> ok end end),
    untied().

untied() -> receive {tie, Pid} -> tied(Pid); stop -> ok end.

%% Plain, deep stack, mailbox, big heap and a buffer of saved calls, gen_server, hibernated, dictionary and
%% registered, off-heap messages, suspended.
one(0, K) ->
    spawn(fun() ->
        process_flag(trap_exit, K rem 16 =:= 0),
        label({worker, K, "name", <<K:16>>}),
        untied()
    end);
one(1, K) -> spawn(?MODULE, deep, [K rem 200 + 1]);
one(2, 2) ->
    %% As of one that cannot keep up.
    Pid = spawn(fun() -> receive stop -> ok end end),
    _ = [Pid ! {note, I} || I <- lists:seq(1, workload:env_int("LONG", 150000))],
    Pid;
one(2, K) ->
    Pid = spawn(fun() -> receive stop -> ok end end),
    _ = [Pid ! {note, I, lists:seq(1, I)} || I <- lists:seq(1, K rem 40)],
    Pid;
one(3, K) ->
    spawn(fun() ->
        _ = process_flag(save_calls, K rem 5 * 10),
        Kept = [{I, [I]} || I <- lists:seq(1, 10 * (K rem 100))],
        receive stop -> Kept end
    end);
one(4, K) -> {ok, Pid} = gen_server:start(?MODULE, K, []), Pid;
one(5, _) -> spawn(fun() -> erlang:hibernate(?MODULE, resumed, []) end);
one(6, K) ->
    Pid = spawn(fun() -> keys(K rem 30), untied() end),
    register(list_to_atom("table " ++ integer_to_list(K)), Pid),
    Pid;
one(7, K) ->
    Pid = spawn_opt(fun() -> receive stop -> ok end end, [{message_queue_data, off_heap}]),
    _ = [Pid ! {far, I} || I <- lists:seq(1, K rem 20)],
    Pid;
%% Stopped before it has run, mostly.
one(8, _) ->
    Pid = spawn(?MODULE, deep, [0]),
    true = erlang:suspend_process(Pid),
    Pid.

%% Keys of all kinds, in slots of their own and shared ones.
keys(N) ->
    put(key, N),
    _ = [put(Key, ok) || I <- lists:seq(1, N), Key <- [I, {key, I}, [I | I], #{I => 1.5}, <<I:24>>, "x" ++ [I]]],
    put(self(), hd(erlang:ports())),
    put('Odd key', fun lists:map/2).

%% proc_lib:set_label/1 came with OTP 27.
label(Label) ->
    case erlang:function_exported(proc_lib, set_label, 1) of
        true -> apply(proc_lib, set_label, [Label]);
        false -> ok
    end.

deep(0) -> receive stop -> ok end;
deep(N) -> ok = deep(N - 1).

resumed() -> ok.

init(State) -> {ok, State}.
handle_call(_, _, State) -> {reply, ok, State}.
handle_cast(_, State) -> {noreply, State}.

stop(Pids) ->
    {[facts(Pid) || Pid <- Pids], [{told, length(Pids)}]}.

facts(Pid) ->
    %% Status and reductions first: some of the others are answered by the process itself, which has to wake up for it.
    Items = [status, reductions, registered_name, initial_call, current_function, message_queue_len, heap_size,
             total_heap_size, stack_size, group_leader, current_stacktrace],
    [Status, Reductions, Registered, Initial, Current, Mailbox, Heap, Total, Stack, Leader, Trace] =
        [value(process_info(Pid, Item)) || Item <- Items],
    [{pid, Pid}, {registered, hex(case Registered of [] -> ""; Name -> atom_to_list(Name) end)},
     {spawned_as, hex(mfa(Initial))}, {current, hex(mfa(Current))}, {status, Status}, {reductions, Reductions},
     {mailbox, Mailbox},
     {heap, Heap}, {total, Total}, {stack, Stack}, {leader, Leader}, {parent, parent(Pid)},
     {trace, hex(lists:join($\n, [place(Frame) || Frame <- Trace]))}] ++ more(Pid, Initial).

more(Pid, Initial) ->
    Items = [memory, message_queue_data, trap_exit, links, monitors, monitored_by, dictionary, garbage_collection],
    [Memory, Data, Trap, Links, Monitors, MonitoredBy, Dictionary, Gc] =
        [value(process_info(Pid, Item)) || Item <- Items],
    Began = case lists:keyfind('$initial_call', 1, Dictionary) of
                {_, {_, _, _} = Call} -> Call;
                false -> Initial
            end,
    [{initial_call, hex(mfa(Began))}, {memory, Memory}, {data, Data}, {trap, Trap},
     {min_heap, proplists:get_value(min_heap_size, Gc)},
     {fullsweep, proplists:get_value(fullsweep_after, Gc)},
     {label, hex(case lists:keyfind('$process_label', 1, Dictionary) of
                     {_, Label} -> io_lib:format("~0tp", [Label]);
                     false -> ""
                 end)},
     {links, lines(Links)}, {monitors, lines(Monitors)}, {monitored_by, lines(MonitoredBy)},
     {keys, lines([Key || {Key, _} <- Dictionary])}].

lines(Terms) ->
    Lines = [unicode:characters_to_binary(io_lib:format("~0tp", [Term])) || Term <- Terms],
    hex(lists:join($\n, lists:sort(Lines))).

value({_, Value}) -> Value;
value(Value) -> Value.

parent(Pid) -> try value(process_info(Pid, parent)) catch error:badarg -> unknown end.

mfa({M, F, A}) -> io_lib:format("~ts:~ts/~w", [M, F, A]).

place({M, F, A, Location}) ->
    [mfa({M, F, A}), $\s, proplists:get_value(file, Location, ""), $:,
     integer_to_list(proplists:get_value(line, Location, 0))].

hex(Text) -> binary:encode_hex(unicode:characters_to_binary(Text)).
