-- MLflow's database is made by the image, from POSTGRES_DB.
CREATE DATABASE prefect OWNER charrnn;
