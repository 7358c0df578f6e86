-- cron_service_production: Quartz keeps its triggers in tables of these names.

CREATE TABLE public.qrtz_job_details (
    sched_name varchar(120) NOT NULL,
    job_name varchar(200) NOT NULL,
    job_group varchar(200) NOT NULL,
    job_class_name varchar(250) NOT NULL,
    is_durable boolean NOT NULL,
    job_data bytea,
    PRIMARY KEY (sched_name, job_name, job_group)
);
INSERT INTO public.qrtz_job_details
SELECT 'circle', 'job-' || g, 'schedules', 'circleci.cron.RunPipeline', g % 2 = 0,
       decode('aced0005' || md5(current_setting('seed.salt') || g), 'hex')
FROM generate_series(1, current_setting('seed.units')::bigint / 50 + 1) g;

CREATE TABLE public.qrtz_triggers (
    sched_name varchar(120) NOT NULL,
    trigger_name varchar(200) NOT NULL,
    trigger_group varchar(200) NOT NULL,
    job_name varchar(200) NOT NULL,
    job_group varchar(200) NOT NULL,
    next_fire_time bigint,
    prev_fire_time bigint,
    trigger_state varchar(16) NOT NULL,
    trigger_type varchar(8) NOT NULL,
    PRIMARY KEY (sched_name, trigger_name, trigger_group),
    FOREIGN KEY (sched_name, job_name, job_group) REFERENCES public.qrtz_job_details (sched_name, job_name, job_group)
);
INSERT INTO public.qrtz_triggers
SELECT 'circle', 'trigger-' || g, 'schedules', 'job-' || g, 'schedules', 1704067200000 + g * 60000, -1, 'WAITING',
       CASE WHEN g % 10 = 0 THEN 'BLOB' ELSE 'CRON' END
FROM generate_series(1, current_setting('seed.units')::bigint / 50 + 1) g;
CREATE INDEX qrtz_triggers_next_fire_idx ON public.qrtz_triggers (sched_name, trigger_state, next_fire_time);

CREATE TABLE public.qrtz_cron_triggers (
    sched_name varchar(120) NOT NULL,
    trigger_name varchar(200) NOT NULL,
    trigger_group varchar(200) NOT NULL,
    cron_expression varchar(120) NOT NULL,
    time_zone_id varchar(80),
    PRIMARY KEY (sched_name, trigger_name, trigger_group),
    FOREIGN KEY (sched_name, trigger_name, trigger_group) REFERENCES public.qrtz_triggers (sched_name, trigger_name, trigger_group)
);
INSERT INTO public.qrtz_cron_triggers
SELECT sched_name, trigger_name, trigger_group, '0 ' || length(trigger_name) || ' 2 ? * MON-FRI', 'Europe/Berlin'
FROM public.qrtz_triggers WHERE trigger_type = 'CRON';

CREATE TABLE public.qrtz_blob_triggers (
    sched_name varchar(120) NOT NULL,
    trigger_name varchar(200) NOT NULL,
    trigger_group varchar(200) NOT NULL,
    blob_data bytea,
    PRIMARY KEY (sched_name, trigger_name, trigger_group),
    FOREIGN KEY (sched_name, trigger_name, trigger_group) REFERENCES public.qrtz_triggers (sched_name, trigger_name, trigger_group)
);
INSERT INTO public.qrtz_blob_triggers
SELECT sched_name, trigger_name, trigger_group, decode('aced0005' || repeat(md5(trigger_name), 20), 'hex')
FROM public.qrtz_triggers WHERE trigger_type = 'BLOB';
