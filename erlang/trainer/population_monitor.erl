%% The process, registered as `monitor`, that carries one run from generation to generation and
%% tells the benchmarker when it is done: {PopulationId, completed, History}.
-module(population_monitor).
-behaviour(gen_server).
-export([start/3, init/1, handle_continue/2, handle_info/2, handle_call/3, handle_cast/2]).
-include("records.hrl").

-record(state, {population, agents, benchmarker}).

%% Starts or resumes run `RunIndex` of the population: what mnesia holds of this very run is
%% gone on from, anything else is replaced.
start(PopulationId, RunIndex, Benchmarker) ->
    gen_server:start({local, monitor}, ?MODULE, {PopulationId, RunIndex, Benchmarker}, []).

init({PopulationId, RunIndex, Benchmarker}) ->
    {Population, Agents} =
        case genotype:read({population, PopulationId}) of
            #population{run_index = RunIndex} = Stored -> resume(Stored);
            _ -> begin_run(PopulationId, RunIndex)
        end,
    {ok, #state{population = Population, agents = Agents, benchmarker = Benchmarker},
        {continue, generation}}.

resume(#population{generation = Generation, random_state = RandomState} = Population) ->
    rand:seed(RandomState),
    io:format("resumed at generation ~b~n", [Generation]),
    {Population, genotype:read_agents(Population)}.

begin_run(PopulationId, RunIndex) ->
    case config:seed() of
        random -> rand:seed(exsss);
        Seed -> rand:seed(exsss, 1000 * Seed + RunIndex)
    end,
    Agents = evolution:first(config:population()),
    Population = #population{
        id = PopulationId,
        run_index = RunIndex,
        evaluations = length(Agents),
        random_state = rand:export_seed()
    },
    io:format("run ~b started~n", [RunIndex]),
    save(Population, Agents).

handle_continue(generation, #state{population = Population, agents = Agents} = State) ->
    #population{id = Id, generation = Generation, history = History} = Population,
    #agent{fitness = Best} = hd(Agents),
    case Best >= config:fitness_goal() orelse Generation >= config:generations() of
        true ->
            %% The benchmarker may start the next run at once, under this name.
            unregister(monitor),
            State#state.benchmarker ! {Id, completed, History},
            {stop, normal, State};
        false ->
            erlang:send_after(config:generation_ms(), self(), next),
            {NewPopulation, NewAgents} = evolve(Population, Agents),
            {noreply, State#state{population = NewPopulation, agents = NewAgents}}
    end.

handle_info(next, State) ->
    {noreply, State, {continue, generation}}.

evolve(#population{generation = Last, history = History} = Population, Agents) ->
    Generation = Last + 1,
    {NewAgents, Evaluated} = evolution:next(Generation, Agents),
    Evaluations = Population#population.evaluations + Evaluated,
    #agent{fitness = Best, network = Network} = hd(NewAgents),
    Average = lists:sum([Fitness || #agent{fitness = Fitness} <- NewAgents]) / length(NewAgents),
    Neurons = network:neurons(Network),
    Saved = save(
        Population#population{
            generation = Generation,
            evaluations = Evaluations,
            history = [{Generation, Best, Average, Neurons, Evaluations} | History],
            random_state = rand:export_seed()
        },
        NewAgents
    ),
    io:format("generation ~b best_fitness ~.4f neurons ~b evaluations ~b~n",
        [Generation, Best, Neurons, Evaluations]),
    Saved.

save(Population, Agents) ->
    ok = genotype:write_generation(Population, Agents),
    {genotype:read({population, Population#population.id}), Agents}.

handle_call(_Request, _From, State) ->
    {reply, ignored, State}.

handle_cast(stop, State) ->
    {stop, normal, State}.
