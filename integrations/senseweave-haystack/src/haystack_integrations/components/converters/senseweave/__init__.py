# SPDX-FileCopyrightText: 2026-present senseweave contributors
#
# SPDX-License-Identifier: Apache-2.0
"""From files to Documents: one per text passage, image, page, audio window and video segment."""

from haystack_integrations.components.converters.senseweave.media_to_document import MediaToDocument

__all__ = ["MediaToDocument"]
