%% What the trainer keeps in mnesia. Whoever changes a field changes what a checkpoint holds.

%% What the user wants: tot_runs evolutions from scratch, one after the other.
-record(experiment, {
    id,
    progress_flag = in_progress :: in_progress | completed,
    run_index = 1,
    tot_runs,
    %% the history of each finished run, last run first
    histories = [],
    interruptions = 0,
    started,
    completed
}).

%% One evolution as it stands after `generation`.
-record(population, {
    id,
    run_index,
    generation = 0,
    evaluations = 0,
    agent_ids = [],
    %% {Generation, BestFitness, AverageFitness, Neurons of the best, Evaluations}, last first
    history = [],
    %% of rand: with it a resumed run draws the very numbers it would have drawn
    random_state
}).

-record(agent, {
    id,
    fitness,
    network
}).
