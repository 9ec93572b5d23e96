%% The load: a fixed number of customers who come at a fixed rate.
%% SHOP_CUSTOMERS and SHOP_RATE (visits per second of all together) override the application environment.
-module(shop_customers).
-behaviour(supervisor).
-export([start_link/0, init/1]).

start_link() -> supervisor:start_link({local, ?MODULE}, ?MODULE, []).

init([]) ->
    Customers = setting("SHOP_CUSTOMERS", customers),
    Rate = setting("SHOP_RATE", visits_per_second),
    PeriodMs = max(1, 1000 * Customers div max(1, Rate)),
    {ok, {#{strategy => one_for_one, intensity => Customers, period => 10},
          [customer(N, PeriodMs) || N <- lists:seq(1, Customers)]}}.

customer(N, PeriodMs) ->
    #{id => N, start => {shop_customer, start_link, [N, PeriodMs]}, shutdown => brutal_kill}.

setting(Variable, Key) ->
    case os:getenv(Variable) of
        false -> {ok, Value} = application:get_env(shop, Key), Value;
        Text -> list_to_integer(Text)
    end.
