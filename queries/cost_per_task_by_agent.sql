-- title: Cost per task by agent
-- purpose: What does a task of each agent cost: on average, in the middle, at worst?
-- grain: one row an agent; its share counts where several agents worked on a task
-- parameters:
--   since  DateTime64(9, 'UTC')  1970-01-01T00:00:00Z  calls that started at or after this time
--   until  DateTime64(9, 'UTC')  2262-01-01T00:00:00Z  calls that started before this time
--   team   String                ''                    only this team; '' is all
--   agent  String                ''                    only this agent; '' is all
--   user   String                ''                    only this user; '' is all
--   task   String                ''                    only this task; '' is all
--   model  String                ''                    only this model, asked for or answering; '' is all
-- columns:
--   agent                  name    agent, or (no agent)
--   tasks                  tasks   tasks it worked on
--   priced_tasks           tasks   those with a priced call: the base of the figures below
--   average_cost_usd       USD     mean cost of a task
--   p50_cost_usd           USD     median: a cost that one of its tasks really had
--   p95_cost_usd           USD     95th percentile, likewise
--   max_cost_usd           USD     its dearest task
--   calls_per_task         ratio   mean number of calls of a task
--   calls_without_task     calls   calls that name no task: in the totals, not in the figures of a task
--   cost_without_task_usd  USD     cost of those
--   total_cost_usd         USD     cost of the priced calls; null when none is priced
--   unpriced_calls         calls   billable calls without a known cost, which total_cost_usd leaves out
--   unpriced_tokens        tokens  input and output of those calls, as far as known; null when none told
-- chart: bar of average_cost_usd by agent
-- table:
--   agent tasks average_cost_usd p50_cost_usd p95_cost_usd max_cost_usd calls_per_task
--   calls_without_task total_cost_usd unpriced_calls
WITH
    task_cost AS (
        SELECT
            if(g.agent = '', '(no agent)', g.agent) AS agent_name,
            g.names_task AS names_task,
            sum(g.calls) AS task_calls,
            sum(g.cost_usd) AS task_cost_usd,
            sum(g.unpriced_calls) AS task_unpriced_calls,
            sum(g.unpriced_tokens) AS task_unpriced_tokens
        FROM run_groups() AS g
        WHERE ({team:String} = '' OR g.team = {team:String})
          AND ({agent:String} = '' OR g.agent = {agent:String})
          AND ({user:String} = '' OR g.user = {user:String})
          AND ({task:String} = '' OR g.task = {task:String})
          AND ({model:String} = '' OR g.request_model = {model:String} OR g.response_model = {model:String})
        GROUP BY agent_name, g.run_key, names_task
    )
SELECT
    agent_name AS agent,
    countIf(names_task) AS tasks,
    countIf(names_task AND task_cost_usd IS NOT NULL) AS priced_tasks,
    sumIf(task_cost_usd, names_task) / nullIf(priced_tasks, 0) AS average_cost_usd,
    quantileExactIf(0.5)(task_cost_usd, names_task) AS p50_cost_usd,
    quantileExactIf(0.95)(task_cost_usd, names_task) AS p95_cost_usd,
    maxIf(task_cost_usd, names_task) AS max_cost_usd,
    sumIf(task_calls, names_task) / nullIf(tasks, 0) AS calls_per_task,
    sumIf(task_calls, NOT names_task) AS calls_without_task,
    sumIf(task_cost_usd, NOT names_task) AS cost_without_task_usd,
    sum(task_cost_usd) AS total_cost_usd,
    sum(task_unpriced_calls) AS unpriced_calls,
    if(unpriced_calls = 0, 0, sum(task_unpriced_tokens)) AS unpriced_tokens
FROM task_cost
GROUP BY agent
ORDER BY average_cost_usd DESC NULLS LAST, agent
