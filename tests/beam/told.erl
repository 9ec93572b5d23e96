%% What another node says of its processes, over the Erlang distribution. NODE names it; its cookie is -setcookie's.
%% It is ready when most of them rest. `go` asks for the stacks; after `stop` one line for each process that waited
%% then and did not run from before it was asked until now, as its reductions say: pid=<0.N.S> trace=HEX, the whole
%% stack as current_stacktrace has it, one function a line (UTF-8 in hexadecimal). The last line counts: processes=N
%% asked at first, told=N.
-module(told).
-behaviour(workload).
-export([main/0, prepare/0, start/1, stop/1]).

%% Longer than any stack at rest.
-define(DEPTH, 4096).
%% How many times in a row most must not have run.
-define(ROUNDS, 5).

main() -> workload:run(?MODULE).

prepare() ->
    Node = list_to_atom(os:getenv("NODE")),
    true = net_kernel:connect_node(Node),
    _ = on(Node, erlang, system_flag, [backtrace_depth, ?DEPTH]),
    rest(Node, reductions(Node), ?ROUNDS),
    {[{node, Node}], Node}.

%% Waits until most processes rest: a node works for a while after its ports are open.
rest(_, _, 0) -> ok;
rest(Node, Before, Rounds) ->
    After = reductions(Node),
    Grown = grown(Before, After),
    Rest = length([Pid || {Pid, 0} <- Grown]),
    rest(Node, After, case 10 * Rest > 9 * maps:size(After) of
                          true -> Rounds - 1;
                          false -> ?ROUNDS
                      end).

%% A process says its own stack, which costs each the same reductions: who took more ran as well.
start(Node) ->
    Before = reductions(Node),
    Traces = traces(Node),
    After = reductions(Node),
    Grown = [{Pid, By} || {Pid, By} <- grown(Before, After), is_map_key(Pid, Traces)],
    Cost = lists:min([By || {_, By} <- Grown]),
    Stood = maps:with([Pid || {Pid, By} <- Grown, By =:= Cost], Traces),
    {[{asked, maps:size(Traces)}], {Node, maps:size(Traces), Stood, After}}.

stop({Node, Asked, Traces, Before}) ->
    Told = maps:with([Pid || {Pid, 0} <- grown(Before, reductions(Node))], Traces),
    {[[{pid, own(Pid)}, {trace, hex(lists:join($\n, [place(Frame) || Frame <- Trace]))}]
      || {Pid, Trace} <- maps:to_list(Told)],
     [{processes, Asked}, {told, maps:size(Told)}]}.

%% The stacks of those that wait.
traces(Node) ->
    Items = [status, current_stacktrace],
    maps:from_list([{Pid, Trace} || {Pid, [{status, waiting}, {current_stacktrace, Trace}]} <- ask(Node, Items)]).

%% How far each has run.
reductions(Node) ->
    maps:from_list([{Pid, Reductions} || {Pid, [{reductions, Reductions}]} <- ask(Node, [reductions])]).

grown(Before, After) ->
    [{Pid, map_get(Pid, After) - Reductions} || {Pid, Reductions} <- maps:to_list(Before), is_map_key(Pid, After)].

ask(Node, Items) ->
    [{Pid, on(Node, erlang, process_info, [Pid, Items])} || Pid <- on(Node, erlang, processes, [])].

on(Node, Module, Function, Arguments) -> erpc:call(Node, Module, Function, Arguments).

%% As its own node prints it.
own(Pid) ->
    [_ | Rest] = string:split(pid_to_list(Pid), "."),
    ["<0.", Rest].

place({M, F, A, Location}) ->
    io_lib:format("~ts:~ts/~w ~ts:~w", [M, F, A, proplists:get_value(file, Location, ""),
                                        proplists:get_value(line, Location, 0)]).

hex(Text) -> binary:encode_hex(unicode:characters_to_binary(Text)).
