%% Supervision trees, told by the VM itself. Supervisors of every strategy rest, with children that run, that are ignored
%% and that wait to be started again; at each `count` some are started and ended, and then
%%   counted tree=HEX blocked=PID
%% has a line for each application, supervisor and child, in hexadecimal UTF-8, in no order:
%%   app|NAME|MASTER|TOP
%%   sup|PID|STRATEGY|INTENSITY|PERIOD|RESTARTS|CALLBACKS
%%   child|SUPERVISOR|ID|PID, undefined or restarting|TYPE|MODULES|RESTART|SHUTDOWN
%% from supervisor:which_children/1 and get_childspec/2, and of what they do not say from sys:get_state/1. MANY=1000 dynamic
%% children each are started. The supervisor blocked starts a child that does not come back, so nobody could ask it.
-module(supervised).
-behaviour(workload).
-export([main/0, prepare/0, start/1, stop/1, count/1]).
-export([init/1, handle_call/3, handle_cast/2, ignored/0, refused/1, never/0, linked/1]).

main() -> workload:run(?MODULE).

prepare() ->
    %% Supervisors report what ends.
    ok = logger:set_primary_config(level, none),
    Elixir = os:getenv("ELIXIR_EBIN", ""),
    Has = Elixir =/= "" andalso code:add_path(Elixir) =:= true
        andalso code:ensure_loaded('Elixir.DynamicSupervisor') =:= {module, 'Elixir.DynamicSupervisor'},
    {[{elixir, Has}], Has}.

start(Elixir) ->
    Many = workload:env_int("MANY", 1000),
    {ok, Top} = supervisor:start_link({local, supervised_top}, ?MODULE, {one_for_all, 3, 7, [
        worker(first), worker({second, <<"a \"b\"">>, [1, 2.5]}), worker('it\'s'),
        (worker(short))#{restart => transient, shutdown => brutal_kill, modules => dynamic},
        (worker(nobody))#{start => {?MODULE, ignored, []}, modules => [lists, ?MODULE]},
        supervisor(nested, {rest_for_one, 1, 5, [worker(N) || N <- lists:seq(1, 40)]}),
        supervisor(none, {one_for_one, 0, 1, []}),
        supervisor(dynamic, {simple_one_for_one, 10, 20, [worker(template)]}),
        supervisor(temporary, {simple_one_for_one, 10, 20, [(worker(template))#{restart => temporary}]}),
        supervisor(unused, {simple_one_for_one, 10, 20, [worker(template)]}),
        supervisor(deep, {one_for_one, 1, 5, [supervisor(deeper, {one_for_one, 1, 5, [worker(deepest)]})]}),
        #{id => linked, start => {?MODULE, linked, [self()]}, type => supervisor}]}),
    {ok, Restarting} = supervisor:start_link(?MODULE, {one_for_one, 10, 5,
        [(worker(again))#{start => {?MODULE, refused, [atomics:new(1, [])]}}]}),
    {ok, Blocked} = supervisor:start_link(?MODULE, {one_for_one, 1, 5, [worker(before)]}),
    spawn(fun() -> supervisor:start_child(Blocked, (worker(never))#{start => {?MODULE, never, []}}) end),
    Dynamic = [{of_id(Top, dynamic), []}, {of_id(Top, temporary), []}],
    _ = [{ok, _} = supervisor:start_child(Sup, []) || {Sup, _} <- Dynamic, _ <- lists:seq(1, Many)],
    Foreign = case Elixir of
        false -> [];
        true ->
            {ok, Pid} = 'Elixir.DynamicSupervisor':start_link([{strategy, one_for_one}, {max_restarts, 4}, {max_seconds, 9}]),
            _ = [{ok, _} = 'Elixir.DynamicSupervisor':start_child(Pid, (worker(N))#{restart => transient}) || N <- lists:seq(1, 50)],
            {ok, _} = 'Elixir.DynamicSupervisor':start_child(Pid, supervisor(below, {one_for_one, 1, 5, [worker(lowest)]})),
            [Pid]
    end,
    [{again, Again, _, _}] = supervisor:which_children(Restarting),
    %% From now on it is refused.
    exit(Again, kill),
    await_suspended(Restarting),
    {[], {Top, Restarting, Blocked, Foreign}}.

stop(_) -> {[], []}.

count({Top, Restarting, Blocked, Foreign}) ->
    Dynamic = [of_id(Top, dynamic), of_id(Top, temporary)],
    _ = [change(Sup) || Sup <- Dynamic],
    %% Restarted, as its supervisor remembers.
    [{_, Deepest, _, _}] = supervisor:which_children(of_id(of_id(Top, deep), deeper)),
    case get(killed) of
        undefined -> put(killed, true), kill(Deepest), await(of_id(of_id(Top, deep), deeper), Deepest);
        true -> ok
    end,
    Lines = [app(Name) || {Name, _, _} <- application:which_applications(), master(Name) =/= undefined]
        ++ [sup(Pid) || {Name, _, _} <- application:which_applications(), master(Name) =/= undefined, Pid <- [top(Name)]]
        ++ [sup(Pid) || Pid <- [Top, Restarting | Foreign]],
    Text = unicode:characters_to_binary(lists:join($\n, lists:sort(lists:flatten(Lines)))),
    _ = [workload:rest(Pid) || Pid <- processes(), Pid =/= self()],
    [{tree, binary:encode_hex(Text)}, {blocked, Blocked}].

change(Sup) ->
    [{_, One, _, _}, {_, Two, _, _} | _] = supervisor:which_children(Sup),
    ok = supervisor:terminate_child(Sup, One),
    ok = supervisor:terminate_child(Sup, Two),
    {ok, _} = supervisor:start_child(Sup, []).

kill(Pid) ->
    Ref = monitor(process, Pid),
    exit(Pid, kill),
    receive {'DOWN', Ref, process, Pid, _} -> ok end.

await(Sup, Old) ->
    case supervisor:which_children(Sup) of
        [{_, Pid, _, _}] when is_pid(Pid), Pid =/= Old -> ok;
        _ -> await(Sup, Old)
    end.

of_id(Sup, Id) ->
    {_, Pid, _, _} = lists:keyfind(Id, 1, supervisor:which_children(Sup)),
    Pid.

%%% What the VM says.

master(Name) -> application_controller:get_master(Name).

top(Name) ->
    {Top, _} = application_master:get_child(master(Name)),
    Top.

app(Name) -> text(["app", Name, master(Name), top(Name)]).

sup(Sup) ->
    {dictionary, Dictionary} = process_info(Sup, dictionary),
    case lists:keyfind('$initial_call', 1, Dictionary) of
        {_, {supervisor, _, _}} -> sup(Sup, sys:get_state(Sup));
        {_, {supervisor_bridge, _, _}} ->
            {state, Module, Pid, _, _} = sys:get_state(Sup),
            [text(["sup", Sup, null, null, null, 0, Module]),
             text(["child", Sup, null, Pid, null, null, null, null])];
        _ -> []
    end.

%% Elixir's says that it was started as one of Erlang's.
sup(Sup, #{strategy := Strategy, max_restarts := Most, max_seconds := Seconds, restarts := Restarts, mod := Module} = State) ->
    [text(["sup", Sup, Strategy, Most, Seconds, length(Restarts), Module])
     | [elixir_child(Sup, State, Child) || Child <- 'Elixir.DynamicSupervisor':which_children(Sup)]];
sup(Sup, State) ->
    [text(["sup", Sup, element(3, State), element(6, State), element(7, State), length(element(8, State)), callbacks(State)])
     | [child(Sup, State, Child) || Child <- children(Sup)]].

%% The module stands before its arguments, which are the last.
callbacks(State) ->
    case element(2, State) of
        {Pid, Module} when is_pid(Pid) -> Module;
        _ -> element(tuple_size(State) - 1, State)
    end.

child(Sup, State, {Id, Pid, Type, Modules}) ->
    #{restart := Restart, shutdown := Shutdown} = spec(Sup, State, Id, Pid),
    Shown = case element(3, State) of simple_one_for_one -> null; _ -> Id end,
    [text(["child", Sup, Shown, Pid, Type, Modules, Restart, Shutdown]) | below(Type, Pid)].

below(supervisor, Pid) when is_pid(Pid) -> sup(Pid);
below(_, _) -> [].

%% Who is suspended cannot be asked: its state says it, a record for each child by its id.
spec(Sup, State, Id, Pid) ->
    case is_suspended(Sup) of
        true ->
            {_, ById} = element(4, State),
            {child, _, _, _, Restart, _, Shutdown, _, _} = maps:get(Id, ById),
            #{restart => Restart, shutdown => Shutdown};
        false ->
            Key = case element(3, State) of simple_one_for_one -> Pid; _ -> Id end,
            {ok, Spec} = supervisor:get_childspec(Sup, Key),
            Spec
    end.

elixir_child(Sup, #{children := Children}, {undefined, Pid, Type, Modules}) ->
    {_, Restart, Shutdown, _, _} = maps:get(Pid, Children),
    [text(["child", Sup, null, Pid, Type, Modules, Restart, Shutdown]) | below(Type, Pid)].

children(Sup) ->
    case is_suspended(Sup) of
        false -> supervisor:which_children(Sup);
        true ->
            {_, ById} = element(4, sys:get_state(Sup)),
            [{Id, case Pid of {restarting, _} -> restarting; _ -> Pid end, Type, Modules}
             || {child, Pid, Id, _, _, _, _, Type, Modules} <- maps:values(ById)]
    end.

is_suspended(Sup) ->
    {status, _, _, [_, Status | _]} = sys:get_status(Sup),
    Status =:= suspended.

%% One binary, so that lines can be sorted.
text([Kind | Terms]) -> unicode:characters_to_binary(lists:join($|, [Kind | [print(Term) || Term <- Terms]])).

print(Pid) when is_pid(Pid) -> pid_to_list(Pid);
print(Term) -> io_lib:format("~0tp", [Term]).

%%% Supervisors and workers.

worker(Id) -> #{id => Id, start => {gen_server, start_link, [?MODULE, server, []]}, modules => [?MODULE]}.

supervisor(Id, Arguments) -> #{id => Id, start => {supervisor, start_link, [?MODULE, Arguments]}, type => supervisor}.

ignored() -> ignore.

refused(Counter) ->
    case atomics:add_get(Counter, 1, 1) of
        1 -> gen_server:start_link(?MODULE, server, []);
        _ ->
            %% It would try again at once, and for ever: the first that it hears then is that it is suspended.
            Sup = self(),
            spawn(fun() -> sys:suspend(Sup) end),
            await_message(),
            {error, refused}
    end.

await_message() ->
    case process_info(self(), message_queue_len) of
        {_, 0} -> erlang:yield(), await_message();
        _ -> ok
    end.

await_suspended(Sup) ->
    case is_suspended(Sup) of
        true -> ok;
        false -> receive after 1 -> await_suspended(Sup) end
    end.

never() -> receive never -> ignore end.

%% Calls itself a supervisor and is none.
linked(_) -> {ok, spawn_link(fun() -> receive never -> ok end end)}.

init({Strategy, Intensity, Period, Children}) ->
    {ok, {#{strategy => Strategy, intensity => Intensity, period => Period}, Children}};
init(server) -> {ok, nothing}.

handle_call(_, _, State) -> {reply, ok, State}.

handle_cast(_, State) -> {noreply, State}.
