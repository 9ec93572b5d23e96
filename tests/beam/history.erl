%% Servers that go through known states, one after the other, and log when each callback began that made one: named
%% history_0, history_1, ... for each of SIZES=30,250,1000,25000, with a list of so many numbers in the state, so that
%% their heaps have about 16 bytes for each. CHANGES=500 of each, up to PAUSE=2 ms apart; after `stop` a line for each
%% change:
%%   server=NAME n=N ns=CLOCK
%% The state is all of one number N: {history,N,[N,...],#{n => N,twice => 2 * N}}.
%% With CRASHES=10 there is also history_crasher, which counts steps and is told to die as often, each time started anew;
%% a line for each life:
%%   life=L steps=N pid=PID
%% Its state is {crasher,L,N}, and the last message that it receives {die,L}.
%% history_held does the same, but waits for some milliseconds within each callback that changes its state; it has a line
%% for each too.
%% history_sensitive has the states of history_secret, and has asked not to be looked at.
%% history_secret has states with secrets in them, all of which have `sekrit` in their text.
-module(history).
-behaviour(workload).
-behaviour(gen_server).
-export([main/0, prepare/0, start/1, stop/1]).
-export([init/1, handle_call/3, handle_cast/2]).

main() -> workload:run(?MODULE).

prepare() ->
    Sizes = [list_to_integer(Size) || Size <- workload:env_words("SIZES", "30,250,1000,25000")],
    Servers = [server(N, Size) || {N, Size} <- lists:enumerate(0, Sizes)],
    {ok, Secret} = gen_server:start_link({local, history_secret}, ?MODULE, secret, []),
    {ok, Sensitive} = gen_server:start_link({local, history_sensitive}, ?MODULE, sensitive, []),
    {ok, Held} = gen_server:start_link({local, history_held}, ?MODULE, {states, 30}, []),
    {[], {Servers, {history_held, Held}, [Secret, Sensitive]}}.

server(N, Size) ->
    Name = list_to_atom("history_" ++ integer_to_list(N)),
    %% What is garbage goes away before it has become more than there is.
    {ok, Pid} = gen_server:start_link({local, Name}, ?MODULE, {states, Size}, [{spawn_opt, [{fullsweep_after, 0}]}]),
    {Name, Pid}.

start({Servers, {_, Pid} = Held, Secrets}) ->
    Driver = spawn_link(fun() -> drive(Servers, Pid, Secrets) end),
    {[], {Driver, [Held | Servers]}}.

stop({Driver, Servers}) ->
    Driver ! {stop, self()},
    Lives = receive {stopped, Driver, Told} -> Told end,
    Lines = [[{server, Name}, {n, N}, {ns, Ns}] || {Name, Pid} <- Servers, {N, Ns} <- gen_server:call(Pid, log)],
    {Lines ++ Lives, []}.

drive(Servers, Held, Secrets) ->
    Pause = workload:env_int("PAUSE", 2),
    _ = [begin
             _ = [ok = gen_server:call(Pid, {next, N}) || {_, Pid} <- Servers],
             _ = [ok = gen_server:call(Pid, {secret, N}) || Pid <- Secrets],
             ok = hold(Held, N),
             timer:sleep(rand:uniform(Pause + 1) - 1)
         end || N <- lists:seq(1, workload:env_int("CHANGES", 500))],
    Lives = [live(Life) || Life <- lists:seq(1, workload:env_int("CRASHES", 0))],
    receive {stop, From} -> From ! {stopped, self(), Lives} end.

%% Every tenth change, for as long as the others rest.
hold(Held, N) when N rem 10 =:= 0 ->
    Request = gen_server:send_request(Held, {held, N div 10}),
    timer:sleep(10),
    Held ! continue,
    {reply, ok} = gen_server:wait_response(Request, infinity),
    ok;
hold(_, _) -> ok.

live(Life) ->
    process_flag(trap_exit, true),
    {ok, Pid} = gen_server:start({local, history_crasher}, ?MODULE, {crasher, Life}, []),
    Monitor = monitor(process, Pid),
    Steps = 3 + Life rem 5,
    _ = [ok = gen_server:call(Pid, step) || _ <- lists:seq(1, Steps)],
    gen_server:cast(Pid, {die, Life}),
    receive {'DOWN', Monitor, process, Pid, _} -> ok end,
    [{life, Life}, {steps, Steps}, {pid, Pid}].

%% All of it anew each time, so that what is read of two of them shows.
state(N, Size) -> {history, N, lists:seq(N, N + Size - 1), #{n => N, twice => 2 * N}}.

secret(N) ->
    Text = "sekrit-" ++ integer_to_list(N),
    #{n => N, password => Text, options => [{api_key, list_to_binary(Text)}, {port, N}],
      session => #{token => {list_to_binary(Text), N}}, long_secret => binary:copy(list_to_binary(Text), 40)}.

init({states, Size}) ->
    put(log, ets:new(log, [ordered_set])),
    put(size, Size),
    {ok, state(0, Size)};
init({crasher, Life}) -> {ok, {crasher, Life, 0}};
init(sensitive) ->
    process_flag(sensitive, true),
    {ok, secret(0)};
init(secret) -> {ok, secret(0)}.

handle_call({next, N}, _, _) ->
    Ns = workload:clock_ns(),
    true = ets:insert(get(log), {N, Ns}),
    {reply, ok, state(N, get(size))};
handle_call({held, N}, From, State) ->
    %% Between the two it is in no state that anybody could tell.
    {reply, ok, New} = handle_call({next, N}, From, State),
    receive continue -> {reply, ok, New} end;
handle_call({secret, N}, _, _) -> {reply, ok, secret(N)};
handle_call(log, _, State) -> {reply, ets:tab2list(get(log)), State};
handle_call(step, _, {crasher, Life, N}) -> {reply, ok, {crasher, Life, N + 1}}.

handle_cast({die, Life}, {crasher, Life, _} = State) -> exit({crashed, State}).
