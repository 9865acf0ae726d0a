"""Colours and type of a newsroom desk; system fonts alone, nothing from another host."""

import gradio as gr

SANS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")
MONO = ("ui-monospace", "Consolas", "monospace")
# Gradio confines style.css to the page's inside. This is of its outside: on a phone, room for all
# five tabs.
HEAD = """<meta name="color-scheme" content="light dark">
<style>
/* gradio heads its messages in English alone */
html:lang(fr) .toast-title { font-size: 0; }
html:lang(fr) .toast-title::before { content: "Message"; font-size: 1rem; }
html:lang(fr) .toast-title.warning::before { content: "Impossible ainsi"; }
html:lang(fr) .toast-title.error::before { content: "Erreur"; }
@media (max-width: 640px) { .gradio-container .app { padding: 12px 8px !important; } }
</style>"""
INK = gr.themes.Color(
    c50="#f6f4ef", c100="#ece9e2", c200="#dcd8ce", c300="#c3beb2", c400="#98938a", c500="#6f6b64",
    c600="#57534d", c700="#403d39", c800="#2a2826", c900="#1c1b1a", c950="#121211", name="ink",
)  # fmt: skip
BLUE = gr.themes.Color(
    c50="#eef5fc", c100="#d8e8f8", c200="#b3d1f0", c300="#83b3e4", c400="#5596d8", c500="#2f7fd1",
    c600="#1f66b0", c700="#1a528d", c800="#17426f", c900="#143556", c950="#0c2037", name="desk",
)  # fmt: skip


def theme() -> gr.themes.Base:
    """Paper white or near black, thin rules instead of boxes in boxes."""
    base = gr.themes.Base(
        primary_hue=BLUE,
        secondary_hue=BLUE,
        neutral_hue=INK,
        radius_size=gr.themes.sizes.radius_sm,
        font=SANS,
        font_mono=MONO,
    )
    return base.set(
        body_background_fill="#fbfaf7",
        body_background_fill_dark="#141413",
        body_text_color_subdued="*neutral_500",
        input_placeholder_color="*neutral_500",
        input_placeholder_color_dark="*neutral_400",
        block_background_fill="transparent",
        block_background_fill_dark="transparent",
        block_border_width="0px",
        block_shadow="none",
        block_label_background_fill="transparent",
        block_label_background_fill_dark="transparent",
        block_label_text_color="*neutral_600",
        block_label_text_color_dark="*neutral_300",
        block_title_text_color="*neutral_600",
        block_title_text_color_dark="*neutral_300",
        background_fill_primary="#fbfaf7",
        background_fill_primary_dark="#141413",
        background_fill_secondary="#f4f2ec",
        background_fill_secondary_dark="#1c1b1a",
        input_background_fill="#ffffff",
        input_background_fill_dark="#1c1b1a",
        input_border_width="1px",
        input_border_color="*neutral_300",
        input_border_color_dark="*neutral_600",
        button_secondary_background_fill_hover="*neutral_100",
        button_secondary_background_fill_hover_dark="*neutral_800",
        button_large_text_size="*text_md",
        border_color_primary="*neutral_200",
        border_color_primary_dark="*neutral_700",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_dark="*primary_600",
        button_primary_text_color="#ffffff",
        button_secondary_background_fill="transparent",
        button_secondary_background_fill_dark="transparent",
        button_secondary_border_color="*neutral_300",
        button_secondary_border_color_dark="*neutral_600",
        button_border_width="1px",
        layout_gap="12px",
    )
