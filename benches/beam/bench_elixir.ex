defmodule BenchElixir do
  @moduledoc """
  Clients of a server, as a small Elixir service has them: each looks up an account, books an
  entry, and renders a statement of it. A unit is a request that was answered.
  """
  use GenServer

  @accounts 500
  @entries 20

  def start(clients, units) do
    {:ok, server} = GenServer.start(__MODULE__, nil, name: __MODULE__)
    [server | for(number <- 1..clients, do: spawn(fn -> client(number, units) end))]
  end

  def client(number, units) do
    account = rem(number * 7919, @accounts)
    entry = %{amount: rem(number, 100) - 40, text: "purchase #{number}"}
    {:ok, entries} = GenServer.call(__MODULE__, {:book, account, entry})
    _ = render(account, entries)
    :counters.add(units, 1, 1)
    __MODULE__.client(number + 1, units)
  end

  defp render(account, entries) do
    sum = entries |> Enum.map(& &1.amount) |> Enum.sum()

    entries
    |> Enum.filter(&(&1.amount > 0))
    |> Enum.map_join(", ", &String.upcase(&1.text))
    |> then(&"account #{account}: #{&1} (#{sum})")
  end

  @impl true
  def init(_), do: {:ok, Map.new(0..(@accounts - 1), &{&1, []})}

  @impl true
  def handle_call({:book, account, entry}, _from, accounts) do
    entries = Enum.take([entry | Map.fetch!(accounts, account)], @entries)
    {:reply, {:ok, entries}, Map.put(accounts, account, entries)}
  end
end
