"""Prompts as text embeddings: exact at weight 1, weighted elsewhere, never parsed or cut."""

import generators
import models
import pytest
import torch
from generators import DecoderOutputs, explains, picture, prompt, request_of, same

from flopslab.core.generator import FrameRequest
from flopslab.core.prompts import BASIC_COLOURS, Prompt
from flopslab.errors import ParameterError


@pytest.fixture(params=models.FAMILIES)
def generator(request):
    return generators.load_once(request.param)


def embeddings(generator, *prompts):
    return generator._encoder.arguments(prompts)


def test_neutral_emphasis_is_exactly_the_plain_encoding(generator):
    arguments = embeddings(generator, prompt("red", "old house", "sea"))
    embeds = generator._text_to_image.encode_prompt(
        "red old house sea",
        device="cpu",
        num_images_per_prompt=1,
        do_classifier_free_guidance=True,
    )
    names = ["prompt_embeds", "negative_prompt_embeds"]
    names += ["pooled_prompt_embeds", "negative_pooled_prompt_embeds"] if len(embeds) > 2 else []
    assert all(torch.equal(arguments[name], row) for name, row in zip(names, embeds, strict=True))


def test_emphasis_moves_a_words_tokens_away_from_the_empty_prompt_and_no_others(generator):
    def rows(*fragments):
        return embeddings(generator, Prompt(fragments))["prompt_embeds"][0]

    plain = rows(("red", 1.0), ("house", 1.0), ("sea", 1.0))
    strong = rows(("red", 1.0), ("house", 1.4), ("sea", 1.0))
    empty, house = rows(("", 1.0)), slice(4, 9)  # start, three letters, then five
    torch.testing.assert_close(strong[house], empty[house] + 1.4 * (plain - empty)[house])
    assert not torch.allclose(strong[house], plain[house])
    assert torch.equal(strong[:4], plain[:4]) and torch.equal(strong[9:], plain[9:])


def test_emphasis_changes_the_frame(generator):
    frames = [FrameRequest(prompt("red", weight=weight), 0) for weight in (1.0, 1.6)]
    assert not same(*generator.generate(frames))


@pytest.mark.parametrize("word", ["(word:1.4)", r"\(x\)", "a++", "[b|c]", "<|endoftext|>", '"q"'])
def test_words_are_never_parsed(generator, word):
    batches, pipe = [], generator._text_to_image
    with pipe.text_encoder.register_forward_pre_hook(lambda _, args: batches.append(args[0][0])):
        generator.generate([FrameRequest(prompt(word, weight=1.3), 0)])
    ids, letters = batches[0], generator.tokens(prompt(word))
    assert letters == len(word), "no part of a word is a special token"
    assert "".join(pipe.tokenizer.decode([i]).strip() for i in ids[1 : letters + 1]) == word
    assert set(ids[letters + 1 :].tolist()) == {pipe.tokenizer.eos_token_id}


@pytest.mark.parametrize("word", ["", " ", "日本語", "🌊", "مرحبا", "\u200b", "x" * 200])
def test_any_word_makes_a_frame(generator, word):
    request = FrameRequest(Prompt((("sea", 1.2), (word, 1.3))), 0)
    assert len(generator.generate([request])) == 1


def test_a_prompt_without_words_makes_a_frame(generator):
    assert len(generator.generate([FrameRequest(Prompt(()), 0)])) == 1


def test_no_word_of_a_long_prompt_is_cut(generator):
    words = ["lighthouse"] * 30  # 7 of them fit into a chunk of 75 tokens
    frames = [request_of(" ".join([*words, last])) for last in ("sea", "sky")]
    assert generator.tokens(frames[0].prompt) == 303
    assert embeddings(generator, frames[0].prompt)["prompt_embeds"].shape[1] == 5 * 77
    with DecoderOutputs(generator) as rows:
        generator.generate(frames)
    assert not torch.equal(rows[0], rows[1])


def test_a_prompt_is_encoded_once_for_all_passes():
    generator, calls = generators.load(), []
    generator._text_to_image.text_encoder.register_forward_hook(lambda *_: calls.append(1))
    for _ in range(2):
        generator.generate([request_of("rain"), request_of("sky", init=picture(1))], 0.5)
    assert len(calls) == 2


def test_the_nearest_colour_of_colours_is_their_own(generator):
    assert [generator.nearest_colour((colour,)) for colour in BASIC_COLOURS] == [*BASIC_COLOURS]
    assert generator.nearest_colour(("pink", "pink", "black")) == "pink"


def test_the_nearest_colour_of_no_words_is_a_colour(generator):
    assert generator.nearest_colour(()) in BASIC_COLOURS


def hidden_states(encoder, tokenizer):
    """CLIP's hidden states of the prompt "sea", the embedding of its tokens first."""
    options = {"padding": "max_length", "return_tensors": "pt"}
    ids = tokenizer("sea", **options).input_ids
    with torch.no_grad():
        return encoder(ids, output_hidden_states=True).hidden_states


@pytest.mark.parametrize("clip_skip", [1, 2])
def test_clip_skip_reads_a_layer_counted_from_the_last_and_normalizes_it(clip_skip):
    generator = generators.load("sd", clip_skip=clip_skip)
    pipe = generator._text_to_image
    layer = hidden_states(pipe.text_encoder, pipe.tokenizer)[-clip_skip]
    with torch.no_grad():
        expected = pipe.text_encoder.final_layer_norm(layer)
    assert torch.allclose(embeddings(generator, prompt("sea"))["prompt_embeds"], expected)


@pytest.mark.parametrize("clip_skip", [1, 2])
def test_sdxl_reads_the_last_layer_but_one_with_clip_skip_1_and_2(clip_skip):
    generator = generators.load("sdxl", clip_skip=clip_skip)
    pipe = generator._text_to_image
    expected = torch.cat(
        [
            hidden_states(pipe.text_encoder, pipe.tokenizer)[-2],
            hidden_states(pipe.text_encoder_2, pipe.tokenizer_2)[-2],
        ],
        dim=-1,
    )
    assert torch.allclose(embeddings(generator, prompt("sea"))["prompt_embeds"], expected)


def test_more_layers_than_clip_has_are_refused():
    with pytest.raises(ParameterError) as error:
        generators.load("sd", clip_skip=3)
    assert explains(error, "clip_skip 3", "2 layers", "2 or less")
