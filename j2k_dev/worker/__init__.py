"""The program in a stage: takes a message, restores the state, runs the cells, publishes, sends the next message.

Travels into the notebook's interpreter.
"""
