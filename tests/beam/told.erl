%% What another node says of its processes, over the Erlang distribution. NODE names it; its cookie is -setcookie's.
%% `go` asks once, `stop` again. After `stop` one line for each process that waited and was at the same place both
%% times: pid=<0.N.S> trace=HEX, the whole stack as current_stacktrace has it, one function a line (UTF-8 in
%% hexadecimal). The last line counts: processes=N asked at first, told=N.
-module(told).
-behaviour(workload).
-export([main/0, prepare/0, start/1, stop/1]).

%% Longer than any stack at rest.
-define(DEPTH, 4096).

main() -> workload:run(?MODULE).

prepare() ->
    Node = list_to_atom(os:getenv("NODE")),
    true = net_kernel:connect_node(Node),
    _ = on(Node, erlang, system_flag, [backtrace_depth, ?DEPTH]),
    {[{node, Node}], Node}.

start(Node) ->
    First = ask(Node),
    {[{asked, maps:size(First)}], {Node, First}}.

stop({Node, First}) ->
    Second = ask(Node),
    Same = maps:filter(fun(Pid, Answer) -> maps:get(Pid, Second, none) =:= Answer end, First),
    {[[{pid, own(Pid)}, {trace, hex(lists:join($\n, [place(Frame) || Frame <- Trace]))}] || {Pid, Trace} <- maps:to_list(Same)],
     [{processes, maps:size(First)}, {told, maps:size(Same)}]}.

%% The stacks of those that wait.
ask(Node) ->
    Answers = [{Pid, on(Node, erlang, process_info, [Pid, [status, current_stacktrace]])}
               || Pid <- on(Node, erlang, processes, [])],
    maps:from_list([{Pid, Trace} || {Pid, [{status, waiting}, {current_stacktrace, Trace}]} <- Answers]).

on(Node, Module, Function, Arguments) -> erpc:call(Node, Module, Function, Arguments).

%% As its own node prints it.
own(Pid) ->
    [_ | Rest] = string:split(pid_to_list(Pid), "."),
    ["<0.", Rest].

place({M, F, A, Location}) ->
    io_lib:format("~ts:~ts/~w ~ts:~w", [M, F, A, proplists:get_value(file, Location, ""),
                                        proplists:get_value(line, Location, 0)]).

hex(Text) -> binary:encode_hex(unicode:characters_to_binary(Text)).
