# SPDX-FileCopyrightText: 2026-present senseweave contributors
#
# SPDX-License-Identifier: Apache-2.0
"""From ranked Documents of several modalities to the messages that a chat generator takes."""

from haystack_integrations.components.builders.senseweave.multimodal_prompt_builder import (
    MultimodalPromptBuilder,
    documents_to_tool_result,
)

__all__ = ["MultimodalPromptBuilder", "documents_to_tool_result"]
