%% The cashier keeps a list of idle workers, so they live and die together.
-module(shop_payment_sup).
-behaviour(supervisor).
-export([start_link/0, init/1]).

start_link() -> supervisor:start_link({local, ?MODULE}, ?MODULE, []).

init([]) ->
    {ok, Workers} = application:get_env(shop, payment_workers),
    Cashier = #{id => shop_payment, start => {shop_payment, start_link, []}},
    {ok, {#{strategy => one_for_all}, [Cashier | [worker(N) || N <- lists:seq(1, Workers)]]}}.

worker(N) -> #{id => {worker, N}, start => {shop_payment_worker, start_link, [N]}}.
