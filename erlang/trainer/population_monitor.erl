%% The process, registered as `monitor`, that carries one run from generation to generation and
%% tells the benchmarker when it is done: {PopulationId, completed, Trace}. Its habits are DXNN's:
%% a run always begins anew, with a new population in the place of the one that is there; but the
%% process itself goes on with whatever population it finds.
-module(population_monitor).
-behaviour(gen_server).
-export([prep_PopState/2, init_population/2, delete_population/1, start/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).
-include("records.hrl").

%% From op_mode to benchmarker_pid it is what a #pmp{} says, the rest is the process's own.
-record(state, {
    op_mode = gt,
    population_id,
    survival_percentage,
    specie_size_limit,
    init_specie_size,
    polis_id,
    generation_limit = inf,
    evaluations_limit = inf,
    fitness_goal = inf,
    benchmarker_pid,
    %% generations that this process has seen the end of
    pop_gen = 0,
    agents_left,
    tot_evaluations = 0,
    step_size,
    %% evaluations since the last statistics: of all, and #{SpecieId => Number}
    eval_acc = 0,
    specie_evaluations = #{}
}).

%% Begins a run.
prep_PopState(PMP, Constraints) ->
    State = #state{
        op_mode = PMP#pmp.op_mode,
        population_id = PMP#pmp.population_id,
        survival_percentage = PMP#pmp.survival_percentage,
        specie_size_limit = PMP#pmp.specie_size_limit,
        init_specie_size = PMP#pmp.init_specie_size,
        polis_id = PMP#pmp.polis_id,
        generation_limit = PMP#pmp.generation_limit,
        evaluations_limit = PMP#pmp.evaluations_limit,
        fitness_goal = PMP#pmp.fitness_goal,
        benchmarker_pid = PMP#pmp.benchmarker_pid
    },
    init_population(State, Constraints).

%% Makes a new population, in the place of the one that is there, and starts on it.
init_population(State, Constraints) ->
    PopulationId = State#state.population_id,
    Begin = fun() ->
        case genotype:read({population, PopulationId}) of
            undefined ->
                create_population(State, Constraints);
            _ ->
                delete_population(PopulationId),
                create_population(State, Constraints)
        end
    end,
    Result = mnesia:transaction(Begin),
    case Result of
        {atomic, _} -> population_monitor:start(State);
        Error -> io:format("no population ~p: ~0tP~n", [PopulationId, Error, 12])
    end.

%% Goes on with the population that the database has.
start(State) ->
    gen_server:start(?MODULE, State, []).

create_population(#state{population_id = PopulationId} = State, Constraints) ->
    Size = State#state.init_specie_size,
    mnesia:write(#population{
        id = PopulationId,
        polis_id = State#state.polis_id,
        specie_ids = [create_specie(PopulationId, Size, Constraint) || Constraint <- Constraints],
        trace = #trace{step_size = config:step()}
    }).

create_specie(PopulationId, Size, #constraint{tuning_duration_f = Duration} = Constraint) ->
    SpecieId = genotype:unique_id(),
    mnesia:write(#specie{
        id = SpecieId,
        population_id = PopulationId,
        constraint = Constraint,
        agent_ids = [
            genotype:construct_agent(SpecieId, 0, Duration, network:new())
         || _ <- lists:seq(1, Size)
        ]
    }),
    SpecieId.

%% Deletes a population, within a transaction, its agents at once (see genotype:delete_agent/1).
delete_population(PopulationId) ->
    #population{specie_ids = SpecieIds} = genotype:read({population, PopulationId}),
    [delete_specie(SpecieId) || SpecieId <- SpecieIds],
    mnesia:delete({population, PopulationId}).

delete_specie(SpecieId) ->
    #specie{agent_ids = AgentIds} = genotype:read({specie, SpecieId}),
    [genotype:delete_agent(AgentId) || AgentId <- AgentIds],
    mnesia:delete({specie, SpecieId}).

init(#state{population_id = PopulationId} = State) ->
    process_flag(trap_exit, true),
    register(monitor, self()),
    evolution:seed(0),
    #population{trace = Trace} = genotype:dirty_read({population, PopulationId}),
    #trace{tot_evaluations = Evaluations, step_size = StepSize} = Trace,
    io:format("population monitor started at ~b evaluations~n", [Evaluations]),
    {ok, summon_agents(now_ms(), State#state{tot_evaluations = Evaluations, step_size = StepSize})}.

%% Starts a generation. Nothing links the agents to this process.
summon_agents(Begin, State) ->
    AgentIds = [Id || #specie{agent_ids = Ids} <- species(State), Id <- Ids],
    [exoself:start(Id, self(), {Begin, config:generation_ms()}) || Id <- AgentIds],
    State#state{agents_left = length(AgentIds)}.

species(#state{population_id = PopulationId}) ->
    #population{specie_ids = Ids} = genotype:dirty_read({population, PopulationId}),
    [genotype:dirty_read({specie, Id}) || Id <- Ids].

now_ms() ->
    erlang:monotonic_time(millisecond).

handle_cast({_AgentPid, evaluations, SpecieId, Number, _Cycles, _Time}, State) ->
    #state{specie_evaluations = Counts, step_size = StepSize} = State,
    Counted = State#state{
        tot_evaluations = State#state.tot_evaluations + Number,
        eval_acc = State#state.eval_acc + Number,
        specie_evaluations = Counts#{SpecieId => Number + maps:get(SpecieId, Counts, 0)}
    },
    case Counted#state.eval_acc >= StepSize of
        true -> {noreply, gather_stats(Counted)};
        false -> {noreply, Counted}
    end;
handle_cast({_AgentId, terminated, _Fitness}, #state{agents_left = 1, pop_gen = Last} = State) ->
    end_generation(now_ms(), State#state{agents_left = 0, pop_gen = Last + 1});
handle_cast({_AgentId, terminated, _Fitness}, #state{agents_left = Left} = State) ->
    {noreply, State#state{agents_left = Left - 1}};
handle_cast({stop, Reason}, State) ->
    {stop, Reason, State}.

handle_call({stop, Reason}, _From, State) ->
    {stop, Reason, ok, State}.

handle_info(_Message, State) ->
    {noreply, State}.

end_generation(Now, State) ->
    {Best, Champion} = lists:max([selection(Specie, State) || Specie <- species(State)]),
    io:format("generation ~b best_fitness ~.4f neurons ~b evaluations ~b~n", [
        State#state.pop_gen, Best, genotype:neurons(Champion), State#state.tot_evaluations
    ]),
    case is_over(Best, State) of
        true -> {stop, normal, State};
        false -> {noreply, summon_agents(Now, State)}
    end.

is_over(Best, State) ->
    State#state.pop_gen >= State#state.generation_limit orelse
        State#state.tot_evaluations >= State#state.evaluations_limit orelse
        Best >= State#state.fitness_goal.

%% The fittest live on, and mutants of them take the places of the others. Answers the best
%% fitness, and whose it is.
selection(#specie{agent_ids = AgentIds} = Specie, State) ->
    Rated = [{(genotype:dirty_read({agent, Id}))#agent.fitness, Id} || Id <- AgentIds],
    {_, _, Best, _} = Fitness = evolution:statistics([Rating || {Rating, _} <- Rated]),
    {[Champion | _] = Winners, Losers} =
        evolution:select(Rated, State#state.survival_percentage),
    Places = State#state.specie_size_limit - length(Winners),
    Replace = fun() ->
        [genotype:delete_agent(Loser) || Loser <- Losers],
        Mutants = [mutant(Winners) || _ <- lists:seq(1, Places)],
        mnesia:write(Specie#specie{
            agent_ids = Winners ++ Mutants,
            champion_ids = [Champion],
            fitness = Fitness
        })
    end,
    {atomic, ok} = mnesia:transaction(Replace),
    {Best, Champion}.

mutant(Winners) ->
    genotype:clone_agent(lists:nth(rand:uniform(length(Winners)), Winners), fun mutation:mutate/1).

%% Adds a step to the statistics in the database.
gather_stats(#state{population_id = PopulationId} = State) ->
    Now = erlang:timestamp(),
    Gather = fun() ->
        #population{specie_ids = SpecieIds, trace = Trace} =
            Population = genotype:read({population, PopulationId}),
        Step = [specie_stat(SpecieId, Now, State) || SpecieId <- SpecieIds],
        Longer = Trace#trace{
            stats = [Step | Trace#trace.stats],
            tot_evaluations = Trace#trace.tot_evaluations + State#state.eval_acc
        },
        mnesia:write(Population#population{trace = Longer})
    end,
    {atomic, ok} = mnesia:transaction(Gather),
    State#state{eval_acc = 0, specie_evaluations = #{}}.

specie_stat(SpecieId, Now, #state{specie_evaluations = Counts}) ->
    #specie{agent_ids = AgentIds, constraint = Constraint, stats = Stats} =
        Specie = genotype:read({specie, SpecieId}),
    Agents = [genotype:dirty_read({agent, Id}) || Id <- AgentIds],
    {AvgNeurons, StdNeurons, _, _} =
        evolution:statistics([genotype:neurons(Id) || Id <- AgentIds]),
    {AvgFitness, StdFitness, MaxFitness, MinFitness} =
        evolution:statistics([Fitness || #agent{fitness = Fitness} <- Agents, is_float(Fitness)]),
    Stat = #stat{
        morphology = Constraint#constraint.morphology,
        specie_id = SpecieId,
        avg_neurons = AvgNeurons,
        std_neurons = StdNeurons,
        avg_fitness = AvgFitness,
        std_fitness = StdFitness,
        max_fitness = MaxFitness,
        min_fitness = MinFitness,
        evaluations = maps:get(SpecieId, Counts, 0),
        time_stamp = Now
    },
    mnesia:write(Specie#specie{stats = [Stat | Stats]}),
    Stat.

%% Whatever it ends of, it says that the run has completed, as DXNN does.
terminate(_Reason, #state{population_id = PopulationId, benchmarker_pid = Benchmarker} = State) ->
    State#state.eval_acc > 0 andalso gather_stats(State),
    #population{trace = Trace} = genotype:dirty_read({population, PopulationId}),
    %% The benchmarker may begin the next run at once, under this name.
    unregister(monitor),
    is_pid(Benchmarker) andalso (Benchmarker ! {PopulationId, completed, Trace}).
