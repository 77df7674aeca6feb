%% What the trainer keeps in mnesia, a table for each of the records from #experiment{} to
%% #actuator{}. Tables and fields have the names they have in DXNN, because whoever resumes a
%% DXNN from its database goes by those.

%% What the user wants: tot_runs evolutions from scratch, one after the other.
-record(experiment, {
    id,
    backup_flag = true,
    %% a #pmp{}, and a #constraint{} for each species
    pm_parameters,
    init_constraints = [],
    progress_flag = in_progress :: in_progress | completed,
    %% the #trace{} of each finished run, last run first
    trace_acc = [],
    run_index = 1,
    tot_runs,
    notes,
    started,
    completed,
    %% when it was continued, last first
    interruptions = []
}).

%% A run's statistics, last step first; each step is a list of a #stat{} for each species.
%% tot_evaluations is how far they go: the evaluations since then are only known to the process.
-record(trace, {
    stats = [],
    tot_evaluations = 0,
    step_size = 500
}).

%% The run in progress, or the last one.
-record(population, {
    id,
    polis_id,
    specie_ids = [],
    trace = #trace{}
}).

-record(specie, {
    id,
    population_id,
    constraint,
    agent_ids = [],
    %% the fittest of the last generation
    champion_ids = [],
    %% of the last generation: {Average, Deviation, Maximum, Minimum}
    fitness,
    %% of #stat{}, last first
    stats = []
}).

%% Its network is in the records of its cortex.
-record(agent, {
    id,
    specie_id,
    %% how many ancestors it has
    generation = 0,
    cx_id,
    tuning_duration_f,
    %% `undefined` until it was evaluated
    fitness
}).

-record(cortex, {
    id,
    agent_id,
    neuron_ids = [],
    sensor_ids = [],
    actuator_ids = []
}).

%% input_idps: [{SensorId | NeuronId | bias, Weight}]
-record(neuron, {
    id,
    cx_id,
    input_idps = []
}).

-record(sensor, {
    id,
    name,
    cx_id
}).

-record(actuator, {
    id,
    name,
    cx_id,
    fanin_ids = []
}).

%% The rest is part of other records.

%% What a population monitor is to do. Each limit may be `inf`, which is greater than any number.
-record(pmp, {
    op_mode = gt,
    population_id,
    survival_percentage = 0.5,
    specie_size_limit,
    init_specie_size,
    polis_id,
    generation_limit = inf,
    evaluations_limit = inf,
    fitness_goal = inf,
    benchmarker_pid
}).

%% What the agents of a species are, and how often each is evaluated in a generation.
-record(constraint, {
    morphology,
    tuning_duration_f = {const, 3}
}).

%% A species after a step; the evaluations are those of this step.
-record(stat, {
    morphology,
    specie_id,
    avg_neurons,
    std_neurons,
    avg_fitness,
    std_fitness,
    max_fitness,
    min_fitness,
    evaluations,
    time_stamp
}).
