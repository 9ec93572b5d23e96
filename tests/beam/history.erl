%% Servers that go through known states, one after the other, and log when each callback began that made one: named
%% history_0, history_1, ... for each of SIZES=30,250,1000,25000, with a list of so many numbers in the state, so that
%% their heaps have about 16 bytes for each. CHANGES=500 of each, up to PAUSE=2 ms apart; after `stop` a line for each
%% change:
%%   server=NAME n=N ns=CLOCK
%% The state is all of one number N: {history,N,[N,...],#{n => N,twice => 2 * N}}.
%% With CRASHES=10 there is also history_crasher, which counts steps and is told to die as often, each time started anew;
%% a line for each life:
%%   life=L steps=N pid=PID
%% With BURST=1 all that it is told lies in its mailbox before it takes the first: it does not rest before it dies.
%% Its state is {crasher,L,N}, and the last message that it receives {die,L}.
%% history_held does the same, but waits for some milliseconds within each callback that changes its state; it has a line
%% for each too.
%% history_grown is one of 1000 numbers whose garbage is collected when the VM thinks fit, as that of most servers is.
%% history_sensitive has the states of history_secret, and has asked not to be looked at.
%% history_secret has states with secrets in them, all of which have `sekrit` in their text; the same are in its label, its
%% dictionary and what it is told. Others have such secrets where no name in the state tells of them: history_record in fields
%% of a record whose names the module's debug information has, history_field in one that is not called a secret,
%% history_value in texts, history_vault in all that it has, which is of the module `vault`. history_ending ends with some in its reason,
%% each time anew.
-module(history).
-compile(debug_info).
-behaviour(workload).
-behaviour(gen_server).
-export([main/0, prepare/0, start/1, stop/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, drive/3]).

%% What the fields of the first are called tells which are secrets, of the other it does not.
-record(account, {n, user = <<"joe">>, db_password, api_token :: term(), port = 80}).
-record(safe, {n, holds, port = 80}).

main() -> workload:run(?MODULE).

prepare() ->
    Sizes = [list_to_integer(Size) || Size <- workload:env_words("SIZES", "30,250,1000,25000")],
    Servers = [server(N, Size) || {N, Size} <- lists:enumerate(0, Sizes)],
    {ok, Grown} = gen_server:start_link({local, history_grown}, ?MODULE, {states, 1000}, []),
    {ok, Secret} = gen_server:start_link({local, history_secret}, ?MODULE, secret, []),
    {ok, Sensitive} = gen_server:start_link({local, history_sensitive}, ?MODULE, sensitive, []),
    {ok, Held} = gen_server:start_link({local, history_held}, ?MODULE, {states, 30}, []),
    Others = [begin
                  {ok, Pid} = gen_server:start_link({local, Name}, Module, {Name, 0}, []),
                  Pid
              end || {Name, Module} <- [{history_record, ?MODULE}, {history_field, ?MODULE}, {history_value, ?MODULE},
                                        {history_vault, vault}]],
    {[], {Servers ++ [{history_grown, Grown}], {history_held, Held}, [Secret, Sensitive | Others]}}.

server(N, Size) ->
    Name = list_to_atom("history_" ++ integer_to_list(N)),
    %% What is garbage goes away before it has become more than there is.
    {ok, Pid} = gen_server:start_link({local, Name}, ?MODULE, {states, Size}, [{spawn_opt, [{fullsweep_after, 0}]}]),
    {Name, Pid}.

start({Servers, {_, Pid} = Held, Secrets}) ->
    Driver = spawn_link(?MODULE, drive, [Servers, Pid, Secrets]),
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
             _ = [begin
                      ok = gen_server:call(Pid, {secret, N}),
                      Pid ! told(N)
                  end || Pid <- Secrets],
             ok = ending(N),
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
    case workload:env_int("BURST", 0) of
        0 ->
            _ = [ok = gen_server:call(Pid, step) || _ <- lists:seq(1, Steps)],
            gen_server:cast(Pid, {die, Life});
        1 ->
            workload:rest(Pid),
            true = erlang:suspend_process(Pid),
            _ = [gen_server:cast(Pid, step) || _ <- lists:seq(1, Steps)],
            gen_server:cast(Pid, {die, Life}),
            true = erlang:resume_process(Pid)
    end,
    receive {'DOWN', Monitor, process, Pid, _} -> ok end,
    [{life, Life}, {steps, Steps}, {pid, Pid}].

%% All of it anew each time, so that what is read of two of them shows.
state(N, Size) -> {history, N, lists:seq(N, N + Size - 1), #{n => N, twice => 2 * N}}.

secret(N) ->
    Text = "sekrit-" ++ integer_to_list(N),
    #{n => N, password => Text, options => [{api_key, list_to_binary(Text)}, {port, N}],
      session => #{token => {list_to_binary(Text), N}}, long_secret => binary:copy(list_to_binary(Text), 40)}.

%% What a message says.
told(N) ->
    Text = "sekrit-" ++ integer_to_list(N),
    {told, N, [{password, Text}, {port, N}], #account{n = N, db_password = list_to_binary(Text)}, #safe{n = N, holds = Text},
     <<"my ", (list_to_binary(Text))/binary>>}.

%% One that ends with a secret in its reason, now and then.
ending(N) when N rem 20 =:= 1 ->
    {_, Monitor} = spawn_monitor(fun() ->
                                         true = register(history_ending, self()),
                                         exit({db_password, sekrit})
                                 end),
    receive {'DOWN', Monitor, process, _, {db_password, sekrit}} -> ok end;
ending(_) -> ok.

of_name(history_record, N) ->
    Text = "sekrit-" ++ integer_to_list(N),
    #account{n = N, db_password = Text, api_token = {list_to_binary(Text), N}};
of_name(history_field, N) -> #safe{n = N, holds = ["sekrit-", integer_to_binary(N)]};
of_name(history_value, N) ->
    Text = "sekrit-" ++ integer_to_list(N),
    {N, [list_to_binary(Text), list_to_atom("a_sekrit_" ++ integer_to_list(N rem 10)), Text, {port, 80}],
     binary:copy(list_to_binary(Text), 40)}.

init({states, Size}) ->
    put(log, ets:new(log, [ordered_set])),
    put(size, Size),
    {ok, state(0, Size)};
init({crasher, Life}) -> {ok, {crasher, Life, 0}};
init(sensitive) ->
    process_flag(sensitive, true),
    {ok, secret(0)};
init(secret) ->
    put('$process_label', {history, #{password => "sekrit-label"}, {port, 80}}),
    put({token, "sekrit-key"}, "sekrit-value"),
    {ok, secret(0)};
init({Name, N}) when is_atom(Name) ->
    put(name, Name),
    {ok, of_name(Name, N)}.

handle_call({next, N}, _, _) ->
    Ns = workload:clock_ns(),
    true = ets:insert(get(log), {N, Ns}),
    {reply, ok, state(N, get(size))};
handle_call({held, N}, From, State) ->
    %% Between the two it is in no state that anybody could tell.
    {reply, ok, New} = handle_call({next, N}, From, State),
    receive continue -> {reply, ok, New} end;
handle_call({secret, N}, _, _) ->
    case get(name) of
        undefined -> {reply, ok, secret(N)};
        Name -> {reply, ok, of_name(Name, N)}
    end;
handle_call(log, _, State) -> {reply, ets:tab2list(get(log)), State};
handle_call(step, _, {crasher, Life, N}) -> {reply, ok, {crasher, Life, N + 1}}.

handle_cast(step, {crasher, Life, N}) -> {noreply, {crasher, Life, N + 1}};
handle_cast({die, Life}, {crasher, Life, _} = State) -> exit({crashed, State}).

handle_info(Told, State) when element(1, Told) =:= told -> {noreply, State}.
