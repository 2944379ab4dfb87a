/**
 * The data of a run, as `export --format json` writes it (docs/schemas/run-1.json).
 *
 * Times are milliseconds from the creation of the run, null where not known. Tasks, families,
 * attempts, failures and workers are numbered from 0; texts are numbers in `strings`.
 *
 * @typedef {object} RunFile
 * @property {string} format
 * @property {string} version
 * @property {RunFacts} run
 * @property {string[]} strings
 * @property {TaskColumns} tasks
 * @property {FamilyColumns} families
 * @property {string[]} states
 * @property {AttemptColumns} attempts
 * @property {string[]} outcomes
 * @property {Failure[]} failures
 * @property {number} [failures_left_out]  groups above the most that a file keeps
 * @property {{id: number[], host: number[], lanes: number[]}} workers
 * @property {Segment[]} path
 * @property {{task: number, saves_ms: number}[]} path_gain
 * @property {Record<string, number>} totals
 * @property {Audit} audit
 * @property {[number, number][]} [reused]  tasks taken over, and the text with the run that each is from
 * @property {{x: number[], y: number[]}} layout
 * @property {AttemptLog[]} [logs]
 * @property {LogsLeftOut} [logs_left_out]
 *
 * @typedef {object} AttemptLog
 * @property {number} attempt
 * @property {[number, string, number, string][]} lines  when, the level, the logger and the text
 * @property {number} left_out
 * @property {number} left_out_after
 * @property {boolean} is_whole
 *
 * @typedef {object} LogsLeftOut
 * @property {number} attempts
 * @property {number | null} since
 * @property {number} limit_bytes
 * @property {number} not_here
 *
 * @typedef {object} RunFacts
 * @property {string} run_id
 * @property {string} namespace
 * @property {string} state
 * @property {string} created_at
 * @property {string | null} ended_at
 * @property {number | null} duration_ms
 * @property {number} total_tasks
 * @property {Record<string, number>} counts
 * @property {Record<string, string>} [labels]
 * @property {Record<string, string>} [inputs]
 * @property {string | null} [submitted_by]
 * @property {string | null} [reason]
 * @property {number} [reused]
 * @property {number} [late_ends]
 * @property {number | null} [taken_at]
 * @property {number} [priority]
 * @property {boolean} [redacted]
 *
 * @typedef {number | {r: [number, number]}} Need
 *   A task, or a range of tasks: the first and how many.
 *
 * @typedef {object} TaskColumns
 * @property {number[]} name
 * @property {number[]} family
 * @property {number[]} state
 * @property {number[]} level
 * @property {number[]} queue
 * @property {(Need[] | Need)[]} needs
 * @property {number[]} because
 * @property {number[]} [note]  why it did not succeed, if its last attempt does not say it
 *
 * @typedef {object} FamilyColumns
 * @property {number[]} name
 * @property {number[]} count
 * @property {number[]} tasks
 * @property {number[]} level
 * @property {number[][]} needs
 * @property {number[]} [mapped]  1 for the children of a mapped task
 *
 * @typedef {object} AttemptColumns
 * @property {number[]} task
 * @property {number[]} number
 * @property {number[]} outcome
 * @property {number[]} worker
 * @property {(number | null)[]} queued_at
 * @property {(number | null)[]} claimed_at
 * @property {(number | null)[]} started_at
 * @property {(number | null)[]} ended_at
 * @property {number[]} failure
 * @property {number[]} blocked
 * @property {number[]} lane
 *
 * @typedef {object} Failure
 * @property {string} type
 * @property {string} message
 * @property {string} traceback
 * @property {number[]} tasks
 * @property {number} count
 * @property {number | null} first_at
 * @property {number | null} last_at
 *
 * @typedef {object} Segment
 * @property {"queued" | "transfer" | "run" | "back-off" | "idle" | "lost" | "several"} kind
 * @property {number} task
 * @property {number} attempt
 * @property {number} begin
 * @property {number} end
 *
 * @typedef {object} Audit
 * @property {[number, number][]} [twice]
 * @property {[number, number, number, number | null][]} [losses]
 * @property {[number, number][]} [handed_back]
 * @property {number} [late_ends]
 *
 * @typedef {{before: number, after: number, counts: boolean}} Change
 *
 * @typedef {object} TaskChange
 * @property {string} name
 * @property {boolean} is_mapped
 * @property {Change} tasks
 * @property {string} state_before
 * @property {string} state_after
 * @property {Change} run_ms
 * @property {Change} queued_ms
 * @property {Change} attempts
 * @property {number} effect_ms
 *
 * @typedef {{name: string, tasks: number, run_ms: number, effect_ms: number}} OnlyTask
 * @typedef {{name: string, ms: number}} Step
 * @typedef {{run_id: string, state: string, tasks: number, path: Step[]}} ComparedRun
 *
 * The run compared with another one, as `compare --json` prints it (docs/schemas/compare.json), but
 * with the first rows of each list alone.
 * @typedef {object} Comparison
 * @property {{changed: number, new: number, gone: number}} counts  of all rows
 * @property {string} text  by how much the run as a whole changed, in one line
 * @property {ComparedRun} before
 * @property {ComparedRun} after
 * @property {TaskChange[]} changed
 * @property {number} alike
 * @property {OnlyTask[]} new
 * @property {OnlyTask[]} gone
 *
 * @typedef {{kind: "task", id: number, attempt: number} | {kind: "family", id: number} | null} Selection
 */

export {};
