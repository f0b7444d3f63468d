"""Streamlit: a question from the chat input, and st.write_stream."""

from __future__ import annotations

import streamlit as st
from openai_tokens import tokens

if question := st.chat_input("Ask"):
    st.chat_message("user").write(question)
    with st.chat_message("assistant"):
        st.write_stream(tokens())
