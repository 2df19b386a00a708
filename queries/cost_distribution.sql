-- title: Distribution of the cost per task
-- purpose: How many tasks of each agent cost how much?
-- grain: one row an agent and a step of cost; the steps are 1, 2 and 5 times a power of ten
-- parameters:
--   since  DateTime64(9, 'UTC')  1970-01-01T00:00:00Z  calls that started at or after this time
--   until  DateTime64(9, 'UTC')  2262-01-01T00:00:00Z  calls that started before this time
--   team   String                ''                    only this team; '' is all
--   agent  String                ''                    only this agent; '' is all
--   user   String                ''                    only this user; '' is all
--   task   String                ''                    only this task; '' is all
--   model  String                ''                    only this model, asked for or answering; '' is all
-- columns:
--   agent          name   agent, or (no agent); its share counts where several agents worked on a task
--   from_cost_usd  USD    the step: tasks that cost at least this
--   to_cost_usd    USD    and less than this
--   tasks          tasks  priced tasks of the agent in the step
--   task_share     share  tasks / all priced tasks of the agent, 0 to 1
--   step_cost_usd  USD    what they cost together
-- chart: stack of tasks by from_cost_usd
WITH
    [1, 2, 5, 10] AS mantissas,
    task_cost AS (
        SELECT
            if(g.agent = '', '(no agent)', g.agent) AS agent_name,
            sum(g.cost_usd) AS task_cost_usd,
            toInt32(floor(log10(toFloat64(greatest(coalesce(task_cost_usd, 0), toDecimal64('0.000000000001', 12))))
                + 0.0000000001)) AS exponent,
            toFloat64(coalesce(task_cost_usd, 0)) / exp10(exponent) AS leading,
            multiIf(leading < 2, 1, leading < 5, 2, 3) AS place
        FROM run_groups() AS g
        WHERE ({team:String} = '' OR g.team = {team:String})
          AND ({agent:String} = '' OR g.agent = {agent:String})
          AND ({user:String} = '' OR g.user = {user:String})
          AND ({task:String} = '' OR g.task = {task:String})
          AND ({model:String} = '' OR g.request_model = {model:String} OR g.response_model = {model:String})
          AND g.names_task
        GROUP BY agent_name, g.run_key
        HAVING task_cost_usd > 0
    )
SELECT
    agent_name AS agent,
    toDecimal64(exp10(exponent) * mantissas[place], 12) AS from_cost_usd,
    toDecimal64(exp10(exponent) * mantissas[place + 1], 12) AS to_cost_usd,
    count() AS tasks,
    tasks / sum(tasks) OVER (PARTITION BY agent) AS task_share,
    sum(task_cost_usd) AS step_cost_usd
FROM task_cost
GROUP BY agent, from_cost_usd, to_cost_usd
ORDER BY agent, from_cost_usd
