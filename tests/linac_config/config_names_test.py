import string

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linac_config.config import (
  ACTIVATIONS,
  ARITHMETICS,
  KEY_DERIVATIONS,
  PRECISIONS,
  LinacConfig,
)
from linac_config.config_names import config_name, parse_config_name
from linac_tfds import Cifar10Linac

POSITIVE = st.floats(2.0**-126, 2.0**127)
BELOW_ONE = st.floats(0, 1 - 2.0**-24)
CONSTANTS = st.none() | st.lists(
  st.floats(1e-38, 1), min_size=1, max_size=4
).map(tuple)
FIELDS = {
  'seed': st.integers(-(2**63), 2**63 - 1),
  'key_derivation': st.sampled_from(KEY_DERIVATIONS),
  'num_layers': st.integers(3, 9),
  'width': st.integers(1, 2**12),
  'num_features': st.integers(1, 20),
  'use_bias': st.booleans(),
  'activation': st.sampled_from(ACTIVATIONS),
  'representation_layer': st.integers(0, 3),
  'num_epochs': st.integers(1, 10**6),
  'batch_size': st.integers(1, 10**6),
  'learning_rate': POSITIVE,
  'b1': BELOW_ONE,
  'b2': BELOW_ONE,
  'eps': POSITIVE,
  'decay_alpha': st.floats(0, 1),
  'precision': st.sampled_from(PRECISIONS),
  'arithmetic': st.sampled_from(ARITHMETICS),
  'mean': CONSTANTS,
  'std': CONSTANTS,
}
# Versions of the dataset, in which names can have different meanings.
VERSIONS = st.sampled_from(['1.0.2', '1.1.0', '2.0.0', '10.0.0', None])


def make_config(fields) -> LinacConfig:
  """Makes a config; if its fields do not fit, hypothesis tries others."""
  try:
    return LinacConfig(**fields)
  except ValueError:
    hypothesis.reject()


# A name has room for a few fields that are not the defaults.
CONFIGS = (
  st.sets(st.sampled_from(sorted(FIELDS)), max_size=6)
  .flatmap(lambda names: st.fixed_dictionaries({n: FIELDS[n] for n in names}))
  .map(make_config)
)
SOURCES = st.sampled_from(
  ['cifar10', 'mnist', 'sample', 'cifar10_corrupted/fog_1', 'a_seed_1', 'x/y-z']
)
ALLOWED = set(string.ascii_letters + string.digits + '_+-.')


def short_name(source, config, version=None) -> str:
  """Returns the config's name; if it is too long, hypothesis tries another."""
  try:
    return config_name(source, config, version)
  except ValueError:
    hypothesis.reject()


@given(SOURCES, CONFIGS, VERSIONS)
def test_names_are_parsed_back(source, config, version):
  name = short_name(source, config, version)
  assert parse_config_name(name, version) == (source, config)
  assert set(name) <= ALLOWED


@given(SOURCES, CONFIGS, VERSIONS, st.data())
def test_different_configs_have_different_names(source, a, version, data):
  field = data.draw(st.sampled_from(sorted(FIELDS)))
  b = make_config(vars(a) | {field: data.draw(FIELDS[field])})
  names = [short_name(source, config, version) for config in (a, b)]
  assert (names[0] == names[1]) == (a == b)


@pytest.mark.parametrize(
  ('source', 'fields', 'name'),
  [
    ('cifar10', {}, 'seed_-2314326399425823309'),
    ('cifar10', {'seed': 42}, 'seed_42'),
    ('cifar10', {'seed': 42, 'precision': 'float64'}, 'seed_42_f64'),
    (
      'cifar10',
      {'seed': 7, 'precision': 'float64', 'num_epochs': 2},
      'seed_7_f64+num_epochs_2',
    ),
    ('sample', {'seed': -5}, 'sample_seed_-5'),
    (
      'cifar10',
      {'seed': 1, 'learning_rate': 1e22},
      'seed_1+learning_rate_1e22',
    ),
    (
      'mnist',
      {'seed': 1, 'std': 0.3081, 'mean': 0.1307, 'use_bias': False},
      'mnist_seed_1+use_bias_False+mean_0.1307+std_0.3081',
    ),
    ('cifar10_corrupted/fog_1', {'seed': 1}, 'cifar10_corrupted--fog_1_seed_1'),
    (
      'cifar10',
      {'seed': 3, 'activation': 'tanh', 'arithmetic': 'xla'},
      'seed_3+activation_tanh+arithmetic_xla',
    ),
  ],
)
def test_names(source, fields, name):
  config = LinacConfig(**fields)
  assert config_name(source, config) == name
  assert parse_config_name(name) == (source, config)


@pytest.mark.parametrize('version', ['0.9.0', '1.0.2', '1.1.0', '1.*.*'])
@pytest.mark.parametrize(
  ('name', 'fields'),
  [
    ('seed_3', {}),
    ('seed_3_f64', {'precision': 'float64'}),
    ('seed_3+activation_tanh', {'activation': 'tanh'}),
  ],
)
def test_names_before_2_0_0_mean_fits_by_xla(version, name, fields):
  config = LinacConfig(seed=3, arithmetic='xla', **fields)
  assert parse_config_name(name, version) == ('cifar10', config)
  assert config_name('cifar10', config, version) == name


def test_only_old_versions_need_to_be_named():
  """The present version is the default."""
  version = str(Cifar10Linac.VERSION)
  for arithmetic in ARITHMETICS:
    config = LinacConfig(seed=3, arithmetic=arithmetic)
    name = config_name('cifar10', config, version)
    assert name == config_name('cifar10', config)


@pytest.mark.parametrize(
  ('name', 'message'),
  [
    ('seed', 'names look like seed_42'),
    ('seed_x', 'seed_x'),
    ('', 'no config'),
    ('seed_042', "is spelled 'seed_42'"),
    ('seed_+1', 'no config'),
    ('cifar10_seed_1', "is spelled 'seed_1'"),
    ('seed_1+num_epochs_10', "is spelled 'seed_1'"),
    ('seed_1+precision_float64', "is spelled 'seed_1_f64'"),
    ('seed_1+width_16+num_layers_3', "'seed_1\\+num_layers_3\\+width_16'"),
    ('seed_1+widht_16', 'Did you mean width'),
    ('seed_1+num_epochs_x', "num_epochs='x'"),
    ('seed_1+use_bias_false', "is spelled 'seed_1\\+use_bias_False'"),
    ('seed_1+use_bias_yes', "use_bias='yes' .* True or False"),
    ('seed_1+mean_a', "mean='a'"),
    ('seed_99999999999999999999', '64-bit'),
    ('../seed_1', 'no config'),
    ('.._seed_1', 'no name of a TFDS dataset'),
    ('Mnist_seed_1', 'no name of a TFDS dataset'),
    ('a--.._seed_1', 'no name of a TFDS dataset'),
    ('~_seed_1', 'no name of a TFDS dataset'),
    ('/etc_seed_1', 'no name of a TFDS dataset'),
    ('a\\b_seed_1', 'no name of a TFDS dataset'),
    ('mn\u0131st_seed_1', 'no name of a TFDS dataset'),
    ('mnist\x1b[2J_seed_1', 'no name of a TFDS dataset'),
    ('mnist\n_seed_1', 'no config'),
    ('seed_1\n', 'no config'),
    ('seed_\u0661', "is spelled 'seed_1'"),
    ('seed_3+activation_tanh', "pass arithmetic='xla'"),
    ('seed_1+activation_../x', "activation='../x'"),
    ('x' * 300 + '_seed_1', 'characters long'),
  ],
)
def test_other_names_are_refused(name, message):
  with pytest.raises(ValueError, match=f'(?i){message}'):
    parse_config_name(name)


def test_a_name_that_no_folder_can_have_is_refused():
  config = LinacConfig(mean=(0.1234567890123456,) * 8, std=(0.1 / 3,) * 8)
  with pytest.raises(ValueError, match='characters long'):
    config_name('cifar10', config)


@given(st.text(max_size=40))
def test_any_text_is_a_config_or_a_value_error(text):
  try:
    source, config = parse_config_name(text)
  except ValueError:
    return
  assert config_name(source, config) == text
