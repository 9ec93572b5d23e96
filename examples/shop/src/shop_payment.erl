%% The cashier: hands charges to idle workers and queues the rest.
-module(shop_payment).
-behaviour(gen_server).
-export([start_link/0, charge/2, idle/1]).
-export([init/1, handle_call/3, handle_cast/2]).

start_link() -> gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

%% The payer gets {charged, Signature}.
charge(Payer, Order) -> gen_server:cast(?MODULE, {charge, Payer, Order}).

idle(Worker) -> gen_server:cast(?MODULE, {idle, Worker}).

init([]) -> {ok, {queue:new(), []}}.

handle_call(waiting, _From, {Waiting, _} = State) -> {reply, queue:len(Waiting), State}.

handle_cast({charge, Payer, Order}, {Waiting, Idle}) -> dispatch(queue:in({Payer, Order}, Waiting), Idle);
handle_cast({idle, Worker}, {Waiting, Idle}) -> dispatch(Waiting, [Worker | Idle]).

dispatch(Waiting, []) -> {noreply, {Waiting, []}};
dispatch(Waiting, [Worker | Others] = Idle) ->
    case queue:out(Waiting) of
        {empty, _} ->
            {noreply, {Waiting, Idle}};
        {{value, {Payer, Order}}, Rest} ->
            shop_payment_worker:sign(Worker, Payer, Order),
            {noreply, {Rest, Others}}
    end.
