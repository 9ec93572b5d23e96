%% States of behaviours, told by the VM itself. Processes of every behaviour rest; at each `count` all of them get new
%% states, terms of every kind that follow from SEED=1, and then
%%   counted server=HEX timed=HEX hibernated=HEX ...
%% has what sys:get_state/1 says of each, its terms one a line as ~0tp prints them, in hexadecimal UTF-8.
%% With BUSY=1 a server, states_busy, changes its state all the time, in bursts with pauses of up to PAUSE=2 ms between
%% them; after `stop` one line for each change:
%%   seq=N ns=CLOCK
%% which is when the callback began whose result has this number. The state is all of one number N:
%%   {busy,N,[N+1,...,N+60],{N,#{1 => N,2 => N}},<<N:64>>,N}
%% Such a state is also the data of states_busy_statem, whose state is {at,N}, that of both handlers of states_busy_event, and
%% with Elixir that of states_busy_agent. states_busy_supervisor has children with ids {n,N}, started with {server,N}: one, or up
%% to three that follow one another.
-module(states).
-behaviour(workload).
-export([main/0, prepare/0, start/1, stop/1, count/1, resumed/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_call/2, handle_event/2, handle_event/4, callback_mode/0]).

main() -> workload:run(?MODULE).

prepare() ->
    _ = rand:seed(exsss, {workload:env_int("SEED", 1), 2, 3}),
    Elixir = os:getenv("ELIXIR_EBIN", ""),
    Agent = Elixir =/= "" andalso code:add_path(Elixir) =:= true
        andalso code:ensure_loaded('Elixir.Agent') =:= {module, 'Elixir.Agent'},
    {[{agent, Agent}], Agent}.

start(Agent) ->
    case workload:env_int("BUSY", 0) of
        0 -> {[], {rest, resting(Agent)}};
        _ -> {[], {busy, busy(workload:env_int("PAUSE", 2), Agent)}}
    end.

stop({rest, _}) -> {[], []};
stop({busy, {Server, Client}}) ->
    Client ! {stop, self()},
    receive {stopped, Client} -> ok end,
    Log = gen_server:call(Server, log),
    {[[{seq, N}, {ns, Ns}] || {N, Ns} <- Log], [{changes, length(Log)}]}.

%%% At rest.

resting(Agent) ->
    {ok, Server} = gen_server:start_link({local, states_server}, ?MODULE, {server, first}, []),
    {ok, Alone} = gen_server:start(?MODULE, {server, first}, []),
    {ok, Global} = gen_server:start_link({global, {states, global}}, ?MODULE, {server, first}, []),
    {ok, Impatient} = gen_server:start_link(?MODULE, {server, first}, [{hibernate_after, 3600000}, {debug, [statistics]}]),
    {ok, Timed} = gen_server:start_link({local, states_timed}, ?MODULE, {server, first}, []),
    {ok, Hibernated} = gen_server:start_link({local, states_hibernated}, ?MODULE, {server, first}, []),
    {ok, Suspended} = gen_server:start_link({local, states_suspended}, ?MODULE, {server, first}, []),
    {ok, Statem} = gen_statem:start_link({local, states_statem}, ?MODULE, {statem, first}, []),
    {ok, StatemTimed} = gen_statem:start_link(?MODULE, {statem, first}, []),
    {ok, StatemHibernated} = gen_statem:start_link({local, states_statem_hibernated}, ?MODULE, {statem, first}, []),
    {ok, StatemSuspended} = gen_statem:start_link(?MODULE, {statem, first}, []),
    {ok, Event} = gen_event:start_link({local, states_event}),
    ok = gen_event:add_handler(Event, ?MODULE, first),
    ok = gen_event:add_handler(Event, {?MODULE, {other, "id"}}, second),
    {ok, EventHibernated} = gen_event:start_link({local, states_event_hibernated}),
    ok = gen_event:add_handler(EventHibernated, ?MODULE, first),
    {ok, Supervisor} = supervisor:start_link({local, states_supervisor}, ?MODULE, {supervisor, one_for_one}),
    {ok, Simple} = supervisor:start_link(?MODULE, {supervisor, simple_one_for_one}),
    Bare = spawn_link(fun() -> register(states_bare, self()), bare(first) end),
    BareHibernated = spawn_link(fun() -> resumed(first) end),
    Sensitive = spawn_link(fun() -> register(states_sensitive, self()), process_flag(sensitive, true), bare(first) end),
    {ok, InCallback} = gen_server:start_link({local, states_in_callback}, ?MODULE, {server, first}, []),
    gen_server:cast(InCallback, wait),
    {ok, Secrets} = gen_server:start_link({local, states_secrets}, ?MODULE,
        {server, #{password => <<"hunter2">>, user => joe, options => [{api_key, "k-17"}, {port, 80}]}}, []),
    _ = [workload:rest(Pid) || Pid <- [Bare, BareHibernated, Sensitive, InCallback, Secrets]],
    [{server, Server, server}, {alone, Alone, server}, {global, Global, server}, {impatient, Impatient, server},
     {timed, Timed, {server, 3600000}}, {hibernated, Hibernated, {server, hibernate}}, {suspended, Suspended, suspended},
     {statem, Statem, statem}, {statem_timed, StatemTimed, {statem, {state_timeout, 3600000, late}}},
     {statem_hibernated, StatemHibernated, {statem, hibernate}}, {statem_suspended, StatemSuspended, statem_suspended},
     {event, Event, event}, {event_hibernated, EventHibernated, event_hibernated},
     {supervisor, Supervisor, supervisor}, {simple_supervisor, Simple, simple_supervisor},
     {bare, Bare, bare}, {bare_hibernated, BareHibernated, bare}]
        ++ [{agent, agent(), agent} || Agent].

agent() ->
    {ok, Pid} = 'Elixir.Agent':start_link(fun() -> first end),
    Pid.

count({rest, Processes}) ->
    _ = [change(Kind, Pid) || {_, Pid, Kind} <- Processes],
    Told = [{Name, Pid, told(Kind, Pid)} || {Name, Pid, Kind} <- Processes],
    _ = [workload:rest(Pid) || {_, Pid, _} <- Processes],
    lists:append([[{Name, hex(lists:join($\n, [text(Term) || Term <- Terms]))}, {[atom_to_list(Name), "_pid"], Pid}]
                  || {Name, Pid, Terms} <- Told]);
count({busy, {Server, _}}) ->
    [{changes, length(gen_server:call(Server, log))}].

change(server, Pid) -> ok = gen_server:call(Pid, {set, term()});
change({server, After}, Pid) -> ok = gen_server:call(Pid, {set, term(), After});
change(suspended, Pid) ->
    %% It is not, the first time.
    ok = sys:resume(Pid),
    ok = gen_server:call(Pid, {set, term()}),
    ok = sys:suspend(Pid);
change(statem, Pid) -> ok = gen_statem:call(Pid, {set, term(), term(), []});
change({statem, Action}, Pid) -> ok = gen_statem:call(Pid, {set, term(), term(), [Action]});
change(statem_suspended, Pid) ->
    ok = sys:resume(Pid),
    ok = gen_statem:call(Pid, {set, term(), term(), []}),
    ok = sys:suspend(Pid);
change(event, Pid) ->
    ok = gen_event:call(Pid, ?MODULE, {set, term()}),
    ok = gen_event:call(Pid, {?MODULE, {other, "id"}}, {set, term()});
change(event_hibernated, Pid) -> ok = gen_event:call(Pid, ?MODULE, {set_hibernate, term()});
change(supervisor, Pid) ->
    Id = {child, rand:uniform(1000000)},
    {ok, _} = supervisor:start_child(Pid, #{id => Id, start => {gen_server, start_link, [?MODULE, {server, term()}, []]},
                                           restart => transient});
change(simple_supervisor, Pid) -> {ok, _} = supervisor:start_child(Pid, [{server, term()}, []]);
change(bare, Pid) -> Pid ! {set, term(), self()}, receive {set, Pid} -> ok end;
change(agent, Pid) ->
    Term = term(),
    ok = 'Elixir.Agent':update(Pid, fun(_) -> Term end).

told(bare, Pid) -> Pid ! {get, self()}, receive {got, Pid, Term} -> [Term] end;
told(Kind, Pid) when Kind =:= event; Kind =:= event_hibernated ->
    [State || {?MODULE, _, State} <- sys:get_state(Pid)];
told(Kind, Pid) when Kind =:= statem; Kind =:= statem_suspended; element(1, Kind) =:= statem ->
    tuple_to_list(sys:get_state(Pid));
told(_, Pid) -> [sys:get_state(Pid)].

%% In a tuple: sys:get_state/1 takes a state {error,Reason} for a failure.
term() -> {kept, terms:term(rand:uniform(5) - 1)}.

text(Term) -> terms:text(Term).

hex(Text) -> binary:encode_hex(unicode:characters_to_binary(Text)).

bare(Value) ->
    receive
        {set, New, From} -> From ! {set, self()}, bare(New);
        {get, From} -> From ! {got, self(), Value}, bare(Value)
    end.

resumed(Value) ->
    receive
        {set, New, From} -> From ! {set, self()}, resumed(New);
        {get, From} -> From ! {got, self(), Value}, resumed(Value)
    after 0 -> erlang:hibernate(?MODULE, resumed, [Value])
    end.

%%% Busy.

busy(Pause, WithAgent) ->
    {ok, Server} = gen_server:start_link({local, states_busy}, ?MODULE, busy, []),
    {ok, Statem} = gen_statem:start_link({local, states_busy_statem}, ?MODULE, busy_statem, []),
    {ok, Event} = gen_event:start_link({local, states_busy_event}),
    ok = gen_event:add_handler(Event, ?MODULE, state_of(1000000)),
    ok = gen_event:add_handler(Event, {?MODULE, other}, state_of(1000000)),
    {ok, Sup} = supervisor:start_link({local, states_busy_supervisor}, ?MODULE, {supervisor, busy}),
    Agents = [begin
                  {ok, Agent} = 'Elixir.Agent':start_link(fun() -> state_of(1000000) end, [{name, states_busy_agent}]),
                  Agent
              end || WithAgent],
    Bump = fun(N) ->
        ok = gen_server:call(Server, bump),
        ok = gen_statem:call(Statem, bump),
        ok = gen_event:sync_notify(Event, bump),
        _ = [ok = 'Elixir.Agent':update(Agent, fun bumped/1) || Agent <- Agents],
        {ok, _} = supervisor:start_child(Sup, child(N + 1)),
        ok = supervisor:terminate_child(Sup, {n, N}),
        ok = supervisor:delete_child(Sup, {n, N})
    end,
    Client = spawn_link(fun() -> keep_busy(Bump, 1, Pause) end),
    {Server, Client}.

keep_busy(Bump, N, Pause) ->
    Times = rand:uniform(4),
    _ = [Bump(M) || M <- lists:seq(N, N + Times - 1)],
    receive
        {stop, From} -> From ! {stopped, self()}
    after rand:uniform(Pause + 1) - 1 -> keep_busy(Bump, N + Times, Pause)
    end.

bumped(State) -> state_of(element(2, State) + 1).

child(N) -> #{id => {n, N}, start => {gen_server, start_link, [?MODULE, {server, N}, []]}}.

%% All of it anew each time, so that what is read of two of them shows.
state_of(N) -> {busy, N, lists:seq(N + 1, N + 60), {N, #{1 => N, 2 => N}}, <<N:64>>, N}.

%%% Callbacks of all behaviours.

init({server, State}) -> {ok, State};
init(busy_statem) -> {ok, {at, 1000000}, state_of(1000000)};
init({supervisor, busy}) -> {ok, {#{strategy => one_for_one, intensity => 9, period => 1}, [child(1)]}};
init(busy) -> put(log, ets:new(log, [ordered_set])), {ok, state_of(1000000)};
init({statem, Data}) -> {ok, begun, Data};
init({supervisor, one_for_one}) ->
    {ok, {#{strategy => one_for_one, intensity => 3, period => 7},
          [#{id => born, start => {gen_server, start_link, [?MODULE, {server, born}, []]}, shutdown => 250}]}};
init({supervisor, simple_one_for_one}) ->
    {ok, {#{strategy => simple_one_for_one},
          [#{id => simple, start => {gen_server, start_link, [?MODULE]}, restart => temporary}]}};
init(Handler) -> {ok, Handler}.

handle_call(bump, _, State) ->
    Ns = workload:clock_ns(),
    N = element(2, State) + 1,
    true = ets:insert(get(log), {N, Ns}),
    {reply, ok, state_of(N)};
handle_call(log, _, State) -> {reply, ets:tab2list(get(log)), State};
handle_call({set, State}, _, _) -> {reply, ok, State};
handle_call({set, State, After}, _, _) -> {reply, ok, State, After}.

handle_cast(wait, State) -> receive never -> {noreply, State} end.

%% gen_event
handle_call({set, State}, _) -> {ok, ok, State};
handle_call({set_hibernate, State}, _) -> {ok, ok, State, hibernate}.

handle_event(bump, State) -> {ok, bumped(State)};
handle_event(_, State) -> {ok, State}.

callback_mode() -> handle_event_function.

handle_event({call, From}, bump, _, Data) ->
    New = bumped(Data),
    {next_state, {at, element(2, New)}, New, [{reply, From, ok}]};
handle_event({call, From}, {set, State, Data, Actions}, _, _) -> {next_state, State, Data, [{reply, From, ok} | Actions]}.
