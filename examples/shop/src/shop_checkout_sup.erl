-module(shop_checkout_sup).
-behaviour(supervisor).
-export([start_link/0, init/1]).

start_link() -> supervisor:start_link({local, ?MODULE}, ?MODULE, []).

%% A failed checkout is the customer's loss, not ours: nothing is restarted.
init([]) ->
    {ok, {#{strategy => simple_one_for_one}, [
        #{id => shop_checkout, start => {shop_checkout, start_link, []}, restart => temporary}
    ]}}.
