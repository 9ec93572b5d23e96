{application, shop, [
    {description, "A small shop with a few expensive habits, to be looked at with a profiler"},
    {vsn, "1.0.0"},
    {modules, [shop, shop_app, shop_cart, shop_cart_sup, shop_catalogue, shop_checkout, shop_checkout_sup,
               shop_customer, shop_customers, shop_ledger, shop_logger, shop_payment, shop_payment_sup,
               shop_payment_worker, shop_report, shop_stats, shop_sup]},
    {registered, [shop_sup, shop_cart_sup, shop_catalogue, shop_checkout_sup, shop_customers, shop_ledger,
                  shop_logger, shop_payment, shop_payment_sup, shop_report]},
    {applications, [kernel, stdlib, crypto]},
    {optional_applications, [crypto]},
    {env, [{customers, 40}, {visits_per_second, 100}, {payment_workers, 4}, {products, 500}]},
    {mod, {shop_app, []}}
]}.
