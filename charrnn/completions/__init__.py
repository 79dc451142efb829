"""The completions server: a trained model behind the protocol that clients of OpenAI's completions speak.

`batch` and `engine` write texts side by side, `protocol` reads requests and makes answers, `app` is the HTTP of both.
What is served comes from outside, as a `Shelf`: knows neither Prefect nor MLflow.
"""
