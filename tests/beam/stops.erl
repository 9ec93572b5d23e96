%% A VM to be stopped. Between `go` and `stop`
%%  * stops_restless, a gen_server, is in handle_cast/2 all the time, stops_statem, a gen_statem, in handle_event/4: their
%%    states are {restless,[1,2,3],<<"kept">>}, and `spinning` with data #{kept => 1}; `deep` is the same as stops_restless with
%%    a stack of DEEP=20000 frames above that. What a callback has made of its state so far is {made,N}, which is not its state;
%%  * PROCESSES=10000 more gen_servers rest, the K-th with the state {server,K};
%%  * a driver has stops_first and then stops_second set to 1, to 2, and so on: at any time the first is equal or one ahead;
%%  * a watcher looks at the clock all the time, at the highest priority.
%% With BUSY=0 nobody works but the watcher.
%% Each `count` tells how often the restless ones went round, together. After `stop` a line for each time that the watcher did
%% not see the clock for more than 50 us, whatever it was that kept it from that:
%%   from_ns=N to_ns=N
-module(stops).
-behaviour(workload).
-export([main/0, prepare/0, start/1, stop/1, count/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_event/4, callback_mode/0]).

-define(GAP_NS, 50000).

main() -> workload:run(?MODULE).

prepare() ->
    Processes = workload:env_int("PROCESSES", 10000),
    _ = [{ok, _} = gen_server:start_link(?MODULE, {server, K}, []) || K <- lists:seq(1, Processes)],
    {[{processes, Processes}], counters:new(1, [])}.

start(Counter) ->
    persistent_term:put(?MODULE, Counter),
    Restless = {restless, [1, 2, 3], <<"kept">>},
    {ok, Server} = gen_server:start_link({local, stops_restless}, ?MODULE, Restless, []),
    {ok, Deep} = gen_server:start_link({local, stops_deep}, ?MODULE, Restless, []),
    {ok, Statem} = gen_statem:start_link({local, stops_statem}, ?MODULE, {statem, #{kept => 1}}, []),
    {ok, First} = gen_server:start_link({local, stops_first}, ?MODULE, {set, 0}, []),
    {ok, Second} = gen_server:start_link({local, stops_second}, ?MODULE, {set, 0}, []),
    case workload:env_int("BUSY", 1) of
        1 ->
            gen_server:cast(Server, spin),
            gen_server:cast(Deep, {deep, workload:env_int("DEEP", 20000)}),
            gen_statem:cast(Statem, spin),
            spawn_link(fun() -> drive(First, Second, 1) end);
        0 -> nobody
    end,
    Watcher = spawn_opt(fun() -> watch(workload:clock_ns(), []) end, [link, {priority, max}]),
    {[{watcher, Watcher}], {Counter, Watcher}}.

count({Counter, _}) -> [{rounds, counters:get(Counter, 1)}].

stop({_, Watcher} = State) ->
    Watcher ! {stop, self()},
    receive {gaps, Gaps} -> {[[{from_ns, From}, {to_ns, To}] || {From, To} <- Gaps], count(State)} end.

drive(First, Second, N) ->
    ok = gen_server:call(First, {set, N}),
    ok = gen_server:call(Second, {set, N}),
    drive(First, Second, N + 1).

watch(Last, Gaps) ->
    Now = workload:clock_ns(),
    Longer = case Now - Last > ?GAP_NS of
        true -> [{Last, Now} | Gaps];
        false -> Gaps
    end,
    receive
        {stop, From} -> From ! {gaps, lists:reverse(Longer)}
    after 0 -> watch(Now, Longer)
    end.

%% In Erlang code most of the time, now and then in C.
spin(Made) ->
    ok = counters:add(persistent_term:get(?MODULE), 1, 1),
    spin({made, sum(lists:seq(1, 200), element(2, Made))}).

sum([N | More], Sum) -> sum(More, (Sum + N) band 16#ffff);
sum([], Sum) -> Sum.

deep(0) -> spin({made, 0});
deep(Depth) -> [Depth | deep(Depth - 1)].

callback_mode() -> handle_event_function.

init({statem, Data}) -> {ok, spinning, Data};
init(State) -> {ok, State}.

handle_call({set, _} = State, _, _) -> {reply, ok, State}.

handle_cast(spin, State) -> spin({made, length(element(2, State))});
handle_cast({deep, Depth}, State) -> {noreply, {deep(Depth), State}}.

handle_event(cast, spin, spinning, Data) -> spin({made, map_size(Data)}).
