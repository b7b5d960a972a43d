"""What every optimizer is: its arguments, what it keeps per parameter, and the op that updates one."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypedDict

from nncore import _checks, _names, schedules
from nncore.schedules import LearningRateSchedule

if TYPE_CHECKING:
    from nncore.program import Program
    from nncore.variables import Variable

__all__ = ["Optimizer", "Rate", "Shared"]

Rate = float | LearningRateSchedule

_SHARED = """weight_decay : float, optional
        ``w := w - learning_rate * weight_decay * w`` before each step, apart from the gradient.
    clipnorm : float, optional
        Each gradient whose norm is larger is scaled to this one.
    clipvalue : float, optional
        Elements of gradients whose size is larger are cut to this one.
    global_clipnorm : float, optional
        Gradients whose norm, that of all of them together, is larger are scaled to this one. At most one of these
        three may be given.
    use_ema : bool
        Whether to follow the weights with their exponential moving average, which they become at the end of `fit`.
    ema_momentum : float
        How much of the average is kept in each step, in [0, 1].
    ema_overwrite_frequency : int, optional
        After how many updates the weights become their average in the middle of training, too.
    gradient_accumulation_steps : int, optional
        Weights are updated once in so many steps, at least 2, with the mean of their gradients.
    name : str, optional
        By default the class's name in small letters."""


class Shared(TypedDict, total=False):
    """The arguments that all optimizers have, by keyword."""

    clipnorm: float | None
    clipvalue: float | None
    global_clipnorm: float | None
    use_ema: bool
    ema_momentum: float
    ema_overwrite_frequency: int | None
    gradient_accumulation_steps: int | None
    name: str | None


class Optimizer:
    """Base of the optimizers.

    A subclass names the kernel of its update, what this keeps per parameter and its scalars, and takes the arguments
    of its own; ``**shared`` are the base's. Each argument becomes an attribute of its name.

    Parameters
    ----------
    learning_rate : float or LearningRateSchedule
        The step's size.
    {shared}

    Attributes
    ----------
    kernel : str
        The kernel of `nncore.kernels` that updates a parameter.
    state : tuple of str
        The names of the arrays that the kernel may keep per parameter, in its order.
    scalars : mapping of str to str
        The kernel's scalars of its own -> the attributes that they come from.
    powers : int
        How many running products are kept, in float64, 1 at the start.
    step_kernel : str
        The kernel that takes these to the next step.
    steps : int
        The training steps made so far, of one batch each.
    schedule : LearningRateSchedule or None
        What says the learning rate of each step, if that is no number.
    """

    kernel: ClassVar[str]
    state: ClassVar[tuple[str, ...]] = ()
    scalars: ClassVar[Mapping[str, str]] = {}
    powers: ClassVar[int] = 0
    step_kernel: ClassVar[str] = "adam_step"
    _defaults: ClassVar[dict[str, Any]] = {}  # of the constructor's arguments

    def __init_subclass__(cls) -> None:
        """Say in full what ``**shared`` stands for, in the docstring and in the signature."""
        if cls.__doc__:
            cls.__doc__ = cls.__doc__.replace("{shared}", _SHARED)
        of_base = inspect.signature(Optimizer.__init__).parameters
        given = inspect.signature(cls.__init__).parameters
        own = [parameter for parameter in given.values() if parameter.kind is not parameter.VAR_KEYWORD]
        if len(own) < len(given):
            own += [of_base[name].replace(kind=inspect.Parameter.KEYWORD_ONLY) for name in Shared.__annotations__
                    if name not in given]
        cls.__signature__ = inspect.Signature(own[1:])  # type: ignore[attr-defined]
        cls._defaults = {parameter.name: parameter.default for parameter in own[1:]}

    def __init__(
        self,
        learning_rate: Rate,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
    ) -> None:
        where = type(self).__name__
        clips = {"clipnorm": clipnorm, "clipvalue": clipvalue, "global_clipnorm": global_clipnorm}
        given = [f"{key}={value!r}" for key, value in clips.items() if value is not None]
        if len(given) > 1:
            raise ValueError(f"{where}: only one of clipnorm, clipvalue and global_clipnorm can be set, got "
                             + " and ".join(given))
        self.schedule: LearningRateSchedule | None = None
        self.learning_rate = learning_rate
        self.weight_decay = (
            None if weight_decay is None else _checks.real(weight_decay, where, "weight_decay", low=0.0)
        )
        self.clipnorm, self.clipvalue, self.global_clipnorm = (
            None if value is None else _checks.positive(value, where, key) for key, value in clips.items()
        )
        self.use_ema = _checks.boolean(use_ema, where, "use_ema")
        self.ema_momentum = _checks.real(ema_momentum, where, "ema_momentum", low=0.0, high=1.0)
        self.ema_overwrite_frequency = (
            None if ema_overwrite_frequency is None
            else _checks.integer(ema_overwrite_frequency, where, "ema_overwrite_frequency", low=1)
        )
        self.gradient_accumulation_steps = (
            None if gradient_accumulation_steps is None
            else _checks.integer(gradient_accumulation_steps, where, "gradient_accumulation_steps", low=2)
        )
        if name is not None and not isinstance(name, str):
            raise TypeError(f"{where}: name must be a string, got {name!r}")
        self.name = where.lower() if name is None else name
        self.steps = 0
        self._owner: object = None  # the model that it trains: a token of that model's own
        self._undecayed: tuple[Variable, ...] = ()
        self._undecayed_pattern = ""

    @property
    def learning_rate(self) -> float:
        """The step's size now; with a schedule that of the next step.

        A new value takes effect with the next epoch, or batch where a callback asks for batches. Where there is a
        schedule only another one can be set.

        Examples
        --------
        >>> import nncore as nn
        >>> optimizer = nn.optimizers.SGD(0.1)
        >>> optimizer.learning_rate /= 2
        >>> optimizer.learning_rate
        0.05
        >>> nn.optimizers.SGD(nn.optimizers.schedules.InverseTimeDecay(0.1, 10, 1.0)).learning_rate
        0.1
        """
        return self._learning_rate if self.schedule is None else float(self.schedule.rates(self.steps, 1)[0])

    @learning_rate.setter
    def learning_rate(self, value: Rate | Mapping[str, Any]) -> None:
        where = type(self).__name__
        if isinstance(value, (LearningRateSchedule, Mapping)):
            self.schedule = schedules.get(value)
            return
        if callable(value):
            raise TypeError(f"{where}: learning_rate must be a number or a LearningRateSchedule, got {value!r}")
        if self.schedule is not None:
            raise TypeError(f"{where}: the learning rate follows {self.schedule!r} and cannot be set; set another "
                            "schedule, or make the optimizer with a number")
        self._learning_rate = _checks.real(value, where, "learning_rate", low=0.0)

    @property
    def iterations(self) -> int:
        """The updates made so far: the steps, or the whole groups of them where gradients are accumulated.

        Examples
        --------
        >>> import nncore as nn
        >>> model = nn.Sequential([nn.Input((1,)), nn.layers.Dense(1)])
        >>> model.compile(nn.optimizers.SGD(gradient_accumulation_steps=2), "mse")
        >>> for _ in range(3):
        ...     loss = model.train_on_batch([[1.0]], [[2.0]])
        >>> model.optimizer.steps, model.optimizer.iterations
        (3, 1)
        """
        return self.steps // (self.gradient_accumulation_steps or 1)

    @property
    def kernel_slots(self) -> tuple[str, ...]:
        """Which of `state` are kept with the arguments as they are now; by default all."""
        return self.state

    @property
    def slots(self) -> tuple[str, ...]:
        """The names of the arrays that are kept per parameter, each of its shape.

        Examples
        --------
        >>> import nncore as nn
        >>> nn.optimizers.SGD(momentum=0.9, use_ema=True).slots
        ('momentum', 'average')
        """
        more = {"average": self.use_ema, "gradient_accumulator": self.gradient_accumulation_steps is not None}
        return (*self.kernel_slots, *(name for name, wanted in more.items() if wanted))

    def slot_value(self, name: str) -> float:
        """Return what an array that is kept per parameter holds at the start: 0, unless a subclass says otherwise."""
        return 0.0

    def structure(self) -> tuple[Any, ...]:
        """Return what a program depends on: those arguments that are not just numbers of its ops."""
        return (self.slots, self.clipnorm is None, self.global_clipnorm is None, self.gradient_accumulation_steps,
                self.ema_overwrite_frequency)

    def hyperparameters(self) -> dict[str, float]:
        """Return the update kernel's scalars as they are now.

        Examples
        --------
        >>> import nncore as nn
        >>> nn.optimizers.Adagrad(0.1).hyperparameters()
        {'learning_rate': 0.1, 'weight_decay': 0.0, 'clipvalue': inf, 'epsilon': 1e-07}
        """
        return {
            "learning_rate": self.learning_rate,
            "weight_decay": self.weight_decay or 0.0,
            "clipvalue": math.inf if self.clipvalue is None else self.clipvalue,
            **{scalar: getattr(self, name) for scalar, name in self.scalars.items()},
        }

    def attributes(self) -> dict[str, float]:
        """Return all numbers that a program's ops take from the optimizer, as they are now.

        Examples
        --------
        >>> import nncore as nn
        >>> nn.optimizers.Adagrad(0.1, global_clipnorm=2).attributes()["clipnorm"]
        2.0
        """
        found = {**self.hyperparameters(), "ema_momentum": self.ema_momentum}
        clip = self.global_clipnorm if self.clipnorm is None else self.clipnorm
        return found if clip is None else {**found, "clipnorm": clip}

    def exclude_from_weight_decay(
        self, var_list: Iterable[Variable] | None = None, var_names: Iterable[str] | None = None
    ) -> None:
        """Let some weights not decay; to be called before training, as a new call replaces the last one.

        Parameters
        ----------
        var_list : iterable of Variable, optional
            Weights.
        var_names : iterable of str, optional
            Words, or regular expressions: weights in whose names ("dense/bias") one is found do not decay.

        Examples
        --------
        >>> import nncore as nn
        >>> optimizer = nn.optimizers.AdamW()
        >>> optimizer.exclude_from_weight_decay(var_names=["bias"])
        """
        where = f"{type(self).__name__}.exclude_from_weight_decay"
        if self._owner is not None:
            raise ValueError(f"{where}: must be called before training")
        if isinstance(var_names, str):
            raise TypeError(f"{where}: var_names must be a list of strings, got {var_names!r}")
        self._undecayed = tuple(var_list or ())
        self._undecayed_pattern = "|".join(sorted(set(var_names or ())))

    def decays(self, variable: Variable) -> bool:
        """Return whether a weight decays, if there is any decay.

        Examples
        --------
        >>> import nncore as nn
        >>> optimizer, layer = nn.optimizers.AdamW(), nn.Sequential([nn.Input((2,)), nn.layers.Dense(1)]).layers[0]
        >>> optimizer.exclude_from_weight_decay([layer.kernel])
        >>> [optimizer.decays(weight) for weight in layer.weights]
        [False, True]
        """
        named = self._undecayed_pattern and re.search(self._undecayed_pattern, variable.name)
        return not named and not any(variable is other for other in self._undecayed)

    def claim(self, owner: object) -> None:
        """Belong to a model, known by an object of its own; raise where that is another one than before.

        The step's number and what is kept per parameter would mix otherwise.
        """
        if self._owner is not None and self._owner is not owner:
            raise ValueError(
                f"{type(self).__name__}: an optimizer trains one model, and this one has another already; make a new "
                "one: type(optimizer).from_config(optimizer.get_config())"
            )
        self._owner = owner

    def emit_update(
        self, program: Program, variable: Variable, w: int, dw: int, slots: Mapping[str, int], every: int = 1
    ) -> None:
        """Append the op that updates one parameter in place.

        Parameters
        ----------
        program : Program
            The program.
        variable : Variable
            The parameter, for what is particular to it.
        w, dw : int
            The buffers of the parameter and of its gradient.
        slots : mapping of str to int
            The buffers of this parameter's state, of the running products ("powers") where the optimizer has some,
            and of what the gradient is multiplied by ("scale") where it is clipped.
        every : int
            The op runs once in so many steps.
        """
        program.emit(self.kernel, self.operands(w, dw, slots), (), every=every, **self.op_attributes(variable))

    def operands(self, w: int, dw: int, slots: Mapping[str, int]) -> tuple[int | None, ...]:
        """Return the inputs of an update's op."""
        return (w, dw, *(slots.get(name) for name in self.state), slots.get("powers"), slots.get("scale"))

    def op_attributes(self, variable: Variable) -> dict[str, float]:
        """Return the attributes of an update's op; without its weight decay where the weight is excluded from that."""
        found = self.hyperparameters()
        if not self.decays(variable):
            del found["weight_decay"]
        return found

    def arguments(self) -> dict[str, Any]:
        """Return the constructor's arguments as they are now."""
        rate = self._learning_rate if self.schedule is None else self.schedule
        return {name: rate if name == "learning_rate" else getattr(self, name) for name in self._defaults}

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal optimizer, as JSON can hold them."""
        config = self.arguments()
        if self.schedule is not None:
            config["learning_rate"] = schedules.serialize(self.schedule)
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Optimizer:
        """Return the optimizer that `get_config` described."""
        return cls(**config)

    def check(self) -> None:
        """Raise what the constructor would raise for the values that the attributes have now."""
        type(self)(**self.arguments())

    def __repr__(self) -> str:
        """Return a call that makes an equal optimizer: the learning rate, and what differs from the defaults."""
        defaults = {**self._defaults, "name": type(self).__name__.lower(), "learning_rate": None}
        shown = {name: value for name, value in self.arguments().items() if value != defaults[name]}
        return _names.call(type(self).__name__, shown)


Optimizer.__doc__ = str(Optimizer.__doc__).replace("{shared}", _SHARED)
