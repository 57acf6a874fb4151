/** What stays until the tab closes: the flow trained in it (own.js), the training of scene 10, the study of scene 11. */
declare var eiwflowOwn: any, eiwflowTab: any, eiwflowStudy: any;

/** flow.js as a function, where the modules are one script (eiwflow/lesson/bundle.py): its text goes to a Worker. */
declare const make_flow_js: (() => any) | undefined;

/** The same of the trainer's modules, whose text goes to another Worker (trainer/client.js). */
declare const make_trainer_simd_js: (() => any) | undefined;
declare const make_trainer_kernels_js: (() => any) | undefined;
declare const make_trainer_start_js: (() => any) | undefined;
declare const make_trainer_engine_js: (() => any) | undefined;
declare const make_trainer_optimiser_js: (() => any) | undefined;
declare const make_trainer_save_js: (() => any) | undefined;
declare const make_trainer_worker_js: (() => any) | undefined;
declare const make_trainer_facts_js: (() => any) | undefined;
