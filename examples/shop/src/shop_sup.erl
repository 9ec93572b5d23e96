%% Later children use the earlier ones, hence rest_for_one; the customers come last.
-module(shop_sup).
-behaviour(supervisor).
-export([start_link/0, init/1]).

start_link() -> supervisor:start_link({local, ?MODULE}, ?MODULE, []).

init([]) ->
    {ok, {#{strategy => rest_for_one, intensity => 5, period => 10}, [
        worker(shop_logger),
        worker(shop_catalogue),
        worker(shop_ledger),
        supervisor(shop_payment_sup),
        supervisor(shop_cart_sup),
        supervisor(shop_checkout_sup),
        worker(shop_report),
        supervisor(shop_customers)
    ]}}.

worker(Module) -> #{id => Module, start => {Module, start_link, []}}.

supervisor(Module) -> #{id => Module, start => {Module, start_link, []}, type => supervisor}.
