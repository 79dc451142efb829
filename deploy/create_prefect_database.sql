-- The image creates MLflow's database, from POSTGRES_DB.
CREATE DATABASE prefect OWNER charrnn;
